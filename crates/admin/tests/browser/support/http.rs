//! Requests of a program that is no browser.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Calls the API at an address with a credential, and returns the status.
pub(crate) async fn call(address: SocketAddr, secret: &str) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /v1/members/me HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         authorization: Bearer {secret}\r\nx-anyreach-org: org_1\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).expect("a status line");
    status.parse().expect("a status")
}
