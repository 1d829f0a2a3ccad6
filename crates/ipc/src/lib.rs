//! The messages between the box's processes: one JSON object a line, of bounded length.
//!
//! [`appliance`] has the messages between `hearth init` and `hearth serve`, [`control`] those of the server's control
//! socket, [`lines`] the framing of both. The pipes and sockets, and the processes at their ends, are not known here.
#![forbid(unsafe_code)]

pub mod appliance;
pub mod control;
pub mod lines;
