//! DHCP over a raw socket, addresses and routes by netlink.
#![forbid(unsafe_code)]
