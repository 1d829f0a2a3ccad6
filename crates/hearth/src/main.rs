//! The household chatmail server: `hearth init` is the box's first process, `hearth serve` the mail server; both are
//! this one binary. This file only chooses between them.

mod appliance;

fn main() {}
