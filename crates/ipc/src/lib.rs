//! The messages between the box's processes: one JSON object a line, of bounded length.
//!
//! [`appliance`] has the messages between `hearth init` and `hearth serve`, [`network`] those of the network's processes to
//! `hearth init`, [`owner`] the owner's settings file on its way to the server, [`control`] those of the server's control
//! socket with [`queue`] and [`reachability`], [`lines`] the framing of all. The pipes and sockets, and the processes at
//! their ends, are not known here.
#![forbid(unsafe_code)]

pub mod appliance;
pub mod control;
pub mod lines;
pub mod network;
pub mod owner;
pub mod queue;
pub mod reachability;
pub mod words;
