//! A real nginx asks the service behind a layer whether a request may pass (`auth_request`), and
//! decides by the status.
//!
//! Without nginx the test prints that it was skipped; with `REQUIRE_NGINX=1` it fails instead.

use crate::support;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::{Router, routing::any};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{KEY, OTHER_ORG, memory};
use tower_api_key::AuthLayer;

const PAGE: &str = "the protected page";

const CONTENT_TYPES: [&str; 8] = [
    "",
    "application/json",
    "application/grpc",
    "application/grpc+proto",
    "application/grpc;x=y",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
];

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND",
];

/// An nginx that is stopped on drop.
struct Nginx {
    process: Child,
    http: u16,
    _prefix: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Checks for an nginx with `auth_request`; the `Err` is the reason why it cannot be used.
fn nginx_is_installed() -> Result<(), String> {
    let version = Command::new("nginx")
        .arg("-V")
        .output()
        .map_err(|error| format!("nginx does not start: {error}"))?;
    let options = String::from_utf8_lossy(&version.stderr).into_owned();
    let known = options.contains("http_auth_request_module");
    if known {
        Ok(())
    } else {
        Err("this nginx lacks the module auth_request".to_owned())
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The configuration from nginx's manual, and a second one that keeps the request's method, version
/// 1.1 and body headers.
fn config(http: u16, http2: u16, service: SocketAddr, prefix: &Path) -> String {
    let locations = format!(
        "location / {{ auth_request /_auth; root {root}; error_page 405 =200 /index.html; }}
         location /kept/ {{ auth_request /_auth_kept; alias {root}/; error_page 405 =200 /index.html; }}
         location = /_auth {{
             internal;
             proxy_pass http://{service}/agents;
             proxy_pass_request_body off;
             proxy_set_header Content-Length \"\";
             proxy_set_header X-Original-URI $request_uri;
         }}
         location = /_auth_kept {{
             internal;
             proxy_pass http://{service}/agents;
             proxy_method $request_method;
             proxy_http_version 1.1;
             proxy_pass_request_body off;
             proxy_set_header Content-Length \"\";
         }}",
        root = prefix.join("html").display(),
    );
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr;
         events {{}}
         http {{
             access_log off;
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;
             server {{ listen 127.0.0.1:{http}; {locations} }}
             server {{ listen 127.0.0.1:{http2} http2; {locations} }}
         }}"
    )
}

/// Starts nginx in front of `service` and returns it with its HTTP/2 port.
fn start(service: SocketAddr) -> (Nginx, u16) {
    let prefix = tempfile::tempdir().unwrap();
    let [http, http2] = [free_port(), free_port()];
    fs::create_dir(prefix.path().join("html")).unwrap();
    fs::write(prefix.path().join("html/index.html"), PAGE).unwrap();
    fs::write(
        prefix.path().join("nginx.conf"),
        config(http, http2, service, prefix.path()),
    )
    .unwrap();
    for path in [prefix.path().to_owned(), prefix.path().join("html")] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut nginx = Command::new("nginx");
    nginx
        .arg("-p")
        .arg(prefix.path())
        .args(["-c", "nginx.conf", "-e", "stderr"]);
    let process = nginx
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let nginx = Nginx {
        process,
        http,
        _prefix: prefix,
    };
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, nginx.http)).is_err() {
        assert!(Instant::now() < until, "nginx does not listen");
        std::thread::yield_now();
    }
    (nginx, http2)
}

async fn service() -> SocketAddr {
    let app = Router::new()
        .route("/agents", any(|| async { "agents" }))
        .layer(AuthLayer::new(memory()));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// Sends one raw request and reads until the connection ends.
fn raw(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends one request over HTTP/2 with prior knowledge and returns status and body.
async fn over_http2(port: u16, request: http::Request<Empty<Bytes>>) -> (u16, String) {
    let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .unwrap();
    let io = TokioIo::new(stream);
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let response = client.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    connection.abort();
    (status, String::from_utf8_lossy(&body).into_owned())
}

type Fields = Vec<(&'static str, String)>;

/// Each credential with the status of its refusal, `None` for a valid one.
fn credentials() -> [(Fields, Option<u16>); 4] {
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    [
        (vec![], Some(401)),
        (vec![bearer("ak_testkey.test-wrong")], Some(401)),
        (
            vec![bearer(KEY), ("x-anyreach-org", OTHER_ORG.to_owned())],
            Some(403),
        ),
        (vec![bearer(KEY)], None),
    ]
}

fn assert_status(name: &str, status: u16, answer: &str, refused: Option<u16>, method: &str) {
    match refused {
        Some(refused) => {
            assert_eq!(status, refused, "{name}");
            assert!(!answer.contains(PAGE), "{name}: the protected page");
        }
        // nginx chooses its status for methods that files do not support, once the request has
        // passed.
        None => assert!(
            ![401, 403].contains(&status) || !["GET", "HEAD"].contains(&method),
            "{name}: {status}"
        ),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_lets_no_unauthenticated_request_through() {
    if let Err(why) = nginx_is_installed() {
        assert!(
            std::env::var_os("REQUIRE_NGINX").is_none(),
            "REQUIRE_NGINX is set, and {why}"
        );
        writeln!(
            std::io::stderr(),
            "SKIPPED: nginx_lets_no_unauthenticated_request_through: {why}"
        )
        .unwrap();
        return;
    }
    let (nginx, http2) = start(service().await);
    let mut passed = 0;
    for (fields, refused) in credentials() {
        for (content_type, method) in CONTENT_TYPES
            .iter()
            .flat_map(|kind| METHODS.map(|method| (*kind, method)))
        {
            for path in ["/", "/kept/"] {
                let mut fields = fields.clone();
                if !content_type.is_empty() {
                    fields.push(("content-type", content_type.to_owned()));
                }
                for version in ["HTTP/1.0", "HTTP/1.1"] {
                    let name = format!("{method} {path} {version} {fields:?}");
                    let lines: String = fields
                        .iter()
                        .map(|(name, value)| format!("{name}: {value}\r\n"))
                        .collect();
                    let head = format!(
                        "{method} {path} {version}\r\nhost: a.test\r\nconnection: close\r\n{lines}\r\n"
                    );
                    let answer = raw(nginx.http, &head);
                    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
                    assert_status(&name, status, &answer, refused, method);
                    passed += usize::from(refused.is_none() && answer.contains(PAGE));
                }
                let mut request = http::Request::builder()
                    .method(method)
                    .uri(format!("http://a.test{path}"));
                for (name, value) in &fields {
                    request = request.header(*name, value);
                }
                let (status, body) = over_http2(http2, request.body(Empty::new()).unwrap()).await;
                assert_status(
                    &format!("{method} {path} HTTP/2 {fields:?}"),
                    status,
                    &body,
                    refused,
                    method,
                );
            }
        }
    }
    assert!(
        passed >= CONTENT_TYPES.len(),
        "a valid credential must get the page"
    );
}
