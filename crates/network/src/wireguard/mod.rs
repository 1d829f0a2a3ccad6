//! A WireGuard tunnel: the public face of a box behind a router that opens no port. The kernel's own WireGuard does the
//! work; here are its configuration, its routes, and the watch over its other end.
//!
//! | file | contents |
//! |---|---|
//! | `conf.rs` | `wireguard.conf`, as wg-quick(8) and providers write it |
//! | `mask.rs` | the secrets in such a text, masked and taken back |
//! | `import.rs` | the owner's text on the card, judged beside the kept one |
//! | `machine.rs` | the decisions: when to look names up, when the other end is silent; pure |
//! | `routing.rs` | the rules that keep the home network and the tunnel's own packets out of the tunnel |
//! | `driver.rs` | all of them, with the kernel and the name servers |

mod conf;
mod driver;
mod import;
mod key;
mod machine;
mod mask;
mod routing;

pub use conf::{Conf, Endpoint, Interface, Peer, Remark};
pub(crate) use driver::{Driver, News, remove};
pub use import::import;
pub use key::Key;
pub(crate) use machine::PeerStatus;
pub use mask::{is_masked, mask_secrets, unmask};
pub use routing::Network;
pub(crate) use routing::{Action, Family, PRIORITIES, Rule, TABLE};
