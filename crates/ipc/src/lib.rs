//! What the box's processes say to each other: one JSON object a line, of bounded length.
//!
//! [`appliance`] has the messages between `hearth init` and `hearth serve`, [`control`] those of the server's control
//! socket, [`lines`] the framing of both. Who sits at either end, and over which pipe or socket, is not known here.
#![forbid(unsafe_code)]

pub mod appliance;
pub mod control;
pub mod lines;
