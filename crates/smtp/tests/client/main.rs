//! The client machine against scripted servers, and against our own server machine.

#[cfg(test)]
mod dialogues;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod script;
