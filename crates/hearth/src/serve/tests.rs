//! In-process server tests.
