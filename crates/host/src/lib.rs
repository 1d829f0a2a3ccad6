//! The machine's clocks and its random bytes: the only place that reads a clock or draws chance. Every other crate takes
//! time and random bytes as arguments. Beside them, the one way in which small files are replaced.

pub mod clock;
pub mod entropy;
pub mod file;
