//! SMTP server machine for submission and inbound mail.
#![forbid(unsafe_code)]
