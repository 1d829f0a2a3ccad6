//! Requests to other servers by HTTPS: one client for everything that goes out of the server, and the roots that it trusts;
//! and the [`dates`] of web servers, for a process without threads whose clock is wrong.
//!
//! The purpose of a request and the meaning of its response are the caller's.
#![forbid(unsafe_code)]

mod client;
pub mod dates;
mod roots;

pub use client::{HttpsClient, RequestLimits, beginning};
pub use roots::roots;
