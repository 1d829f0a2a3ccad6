//! What the end-to-end tests share: real clients and helpers to start the product.
