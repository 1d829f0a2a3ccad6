//! The server's public name: the owner's settings that give it one, and the state of everything that makes it good.

mod owner;
mod status;

pub(crate) use owner::{Change, OwnerSettings, Taken};
pub(crate) use status::status;
