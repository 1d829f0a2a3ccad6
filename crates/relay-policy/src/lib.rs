//! The chatmail rules: encryption gate, rate limits, header clean-up, expiry.
#![forbid(unsafe_code)]
