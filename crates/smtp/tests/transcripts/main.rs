//! Dialogues with the session machine, one test per command or rule, with the client's bytes split at random.
//!
//! `client` and `server` are what the two sides say, `asked` and `answer` are the driver's part. Every transcript runs
//! whole, byte by byte, and split at random by printed seeds.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod content;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod script;
#[cfg(test)]
mod submission;
