//! Shared by the end-to-end tests: real clients, the story they tell, and helpers to start the product.

pub mod boxes;
pub mod browser;
pub mod codes;
pub mod core_process;
pub mod data_partition;
pub mod delta_chat;
pub mod hdmi;
pub mod home_router;
pub mod internet;
pub mod mail;
pub mod module_graph;
pub mod namespace;
pub mod naming;
pub mod network_process;
pub mod odd_mail;
pub mod pebble;
pub mod ports;
pub mod product;
pub mod providers;
pub mod push_service;
pub mod python;
pub mod screen;
pub mod story;
pub mod updated_zones;
pub mod waiting;
pub mod web;
