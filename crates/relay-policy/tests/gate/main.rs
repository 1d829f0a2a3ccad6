//! The encryption gate from outside: messages as clients and servers write them, and as somebody would who wants clear
//! text to pass. Every message is read whole and split at random by printed seeds.

#[cfg(test)]
mod encrypted;
#[cfg(test)]
mod exceptions;
#[cfg(test)]
mod judged;
#[cfg(test)]
mod message;
