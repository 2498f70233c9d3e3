//! The pages over HTTP requests in memory, as a browser without JavaScript sends them.

#[cfg(feature = "axum-login")]
mod axum_login;
mod creating;
mod document;
mod ending;
mod list;
mod rotating;
mod safety;
mod secret;
mod settings;
mod sign_in;
mod support;
