//! LED patterns on /sys/class/leds and buttons on /dev/input.
#![forbid(unsafe_code)]
