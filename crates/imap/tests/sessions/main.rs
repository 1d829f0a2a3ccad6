//! Whole sessions, played as transcripts against an account kept in memory. Only the crate's public face is used.

#[cfg(test)]
mod append;
#[cfg(test)]
mod condstore;
#[cfg(test)]
mod delta_chat;
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mailboxes;
#[cfg(test)]
mod others;
#[cfg(test)]
mod recent;
#[cfg(test)]
mod resync;
#[cfg(test)]
mod search;
#[cfg(test)]
mod world;

/// With how many ways to cut the client's bytes each transcript is played.
#[cfg(test)]
const SEEDS: u64 = 25;

/// Plays something once for every seed, in a fresh world, and says which seed it was.
#[cfg(test)]
fn each_seed(play: impl Fn(&mut world::World)) {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        play(&mut world::World::new(seed));
    }
}
