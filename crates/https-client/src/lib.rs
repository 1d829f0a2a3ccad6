//! Requests to other servers by HTTPS: one client for everything that goes out, and the roots that it trusts.
//!
//! The purpose of a request and the meaning of its response are the caller's.
#![forbid(unsafe_code)]

mod client;
mod roots;

pub use client::{HttpsClient, RequestLimits, beginning};
pub use roots::roots;
