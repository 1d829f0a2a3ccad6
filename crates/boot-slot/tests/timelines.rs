//! Timelines of updates as a card lives them, and damage of every kind to the state blocks. Public interface only.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is wrong"
)]

use boot_slot::{BLOCK_SIZE, BootState, Choice, Slot, Standing, TRIES, Trial, choose};

/// A card's two copies, written as all writers must: copy 2, then copy 1.
struct Card {
    copies: [Vec<u8>; 2],
}

/// The part of a write that happens before the power goes.
#[derive(Clone, Copy)]
enum Cut {
    Never,
    BeforeCopy2,
    InsideCopy2,
    BetweenCopies,
    InsideCopy1,
}

impl Card {
    fn fresh() -> Self {
        let block = BootState::fresh().encode().unwrap();
        Self { copies: [block.clone(), block] }
    }

    fn state(&self) -> BootState {
        BootState::in_force(&self.copies[0], &self.copies[1])
    }

    fn write(&mut self, state: BootState, cut: Cut) {
        let block = state.encode().unwrap();
        let torn = |old: &[u8]| [&block[..512], &old[512..]].concat();
        match cut {
            Cut::BeforeCopy2 => {}
            // The keys lie in the first sector, so a torn copy has the new keys and, by luck, maybe a right checksum.
            Cut::InsideCopy2 => self.copies[1] = torn(&self.copies[1]),
            Cut::BetweenCopies => self.copies[1] = block,
            Cut::InsideCopy1 => {
                self.copies[0] = vec![0xff; BLOCK_SIZE];
                self.copies[1] = block;
            }
            Cut::Never => self.copies = [block.clone(), block],
        }
    }

    /// The boot script's work at power-on.
    fn boot(&mut self) -> Slot {
        let Choice { slot, write_first } = choose(&self.copies[0], &self.copies[1]);
        if let Some(state) = write_first {
            self.write(state, Cut::Never);
        }
        slot
    }
}

#[test]
fn a_fresh_card_boots_slot_a_for_ever_and_writes_nothing() {
    let mut card = Card::fresh();
    let before = card.copies.clone();
    for _ in 0..10 {
        assert_eq!(card.boot(), Slot::A);
    }
    assert_eq!(card.copies, before);
    assert_eq!(card.state().standing(Slot::A), Standing::Settled);
}

#[test]
fn a_good_update_settles_and_the_old_slot_stays_as_the_way_back() {
    let mut card = Card::fresh();
    card.write(card.state().prepare_target(Slot::B), Cut::Never);
    assert_eq!(card.boot(), Slot::A);
    card.write(card.state().begin_trial(Slot::B), Cut::Never);
    assert_eq!(card.boot(), Slot::B);
    assert_eq!(card.state().standing(Slot::B), Standing::OnTrial { left: TRIES - 1 });
    card.write(card.state().settle(Slot::B), Cut::Never);
    for _ in 0..10 {
        assert_eq!(card.boot(), Slot::B);
    }
    let settled = BootState { first: Slot::B, a_left: TRIES, b_left: TRIES, trial: Trial::Settled };
    assert_eq!(card.state(), settled);
}

#[test]
fn a_bad_update_is_tried_three_times_and_then_the_old_system_is_back() {
    let mut card = Card::fresh();
    card.write(card.state().begin_trial(Slot::B), Cut::Never);
    let boots: Vec<Slot> = (0..5).map(|_| card.boot()).collect();
    assert_eq!(boots, [Slot::B, Slot::B, Slot::B, Slot::A, Slot::A]);
    assert_eq!(card.state().standing(Slot::A), Standing::FellBack { failed: Slot::B });
    card.write(card.state().settle(Slot::A), Cut::Never);
    assert_eq!(card.state(), BootState::fresh());
}

#[test]
fn a_power_cut_at_any_moment_of_any_write_leaves_a_slot_that_was_allowed_to_boot() {
    let fresh = BootState::fresh();
    let trial = fresh.begin_trial(Slot::B);
    let steps = [(fresh, fresh.prepare_target(Slot::B)), (fresh, trial), (trial, trial.settle(Slot::B))];
    for (old, new) in steps {
        for cut in [Cut::Never, Cut::BeforeCopy2, Cut::InsideCopy2, Cut::BetweenCopies, Cut::InsideCopy1] {
            let mut card = Card::fresh();
            card.write(old, Cut::Never);
            card.write(new, cut);
            let found = card.state();
            let expected = if matches!(cut, Cut::Never | Cut::InsideCopy1) { new } else { old };
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn every_flipped_bit_of_copy_1_falls_back_to_copy_2() {
    let trial = BootState::fresh().begin_trial(Slot::B).encode().unwrap();
    let fresh = BootState::fresh().encode().unwrap();
    let mut damaged = trial.clone();
    // Every bit of the keys and the first zeros, then one bit in every 64 bytes: CRC-32 finds any single flip.
    let bytes = (0..256).chain((256..BLOCK_SIZE).step_by(64));
    for byte in bytes {
        for bit in 0..8 {
            damaged[byte] ^= 1 << bit;
            assert!(BootState::decode(&damaged).is_err(), "flip of bit {bit} in byte {byte} was believed");
            assert_eq!(choose(&damaged, &fresh).slot, Slot::A);
            assert_eq!(choose(&damaged, &trial).slot, Slot::B);
            damaged[byte] ^= 1 << bit;
        }
    }
}

#[test]
fn with_both_copies_gone_slot_a_boots() {
    let noise = vec![0x5a; BLOCK_SIZE];
    assert_eq!(choose(&noise, &noise), Choice { slot: Slot::A, write_first: None });
    assert_eq!(choose(&[], &[]), Choice { slot: Slot::A, write_first: None });
}

#[test]
fn every_state_there_is_boots_something_and_survives_its_own_encoding() {
    for first in [Slot::A, Slot::B] {
        for trial in [Trial::Settled, Trial::Running] {
            for (a_left, b_left) in (0..=TRIES).flat_map(|a| (0..=TRIES).map(move |b| (a, b))) {
                let state = BootState { first, a_left, b_left, trial };
                assert_eq!(BootState::decode(&state.encode().unwrap()).unwrap(), state);
                let choice = state.choose();
                let second = first.other();
                if state.left(first) > 0 {
                    assert_eq!(choice.slot, first);
                } else if state.left(second) > 0 {
                    assert_eq!(choice.slot, second);
                }
                let written = choice.write_first.map(|next| next.left(first));
                let expected =
                    (trial == Trial::Running && state.left(first) > 0).then(|| state.left(first) - 1);
                assert_eq!(written, expected);
            }
        }
    }
}

#[test]
fn a_trial_ends_whatever_happens() {
    let mut card = Card::fresh();
    card.write(card.state().begin_trial(Slot::B), Cut::Never);
    card.copies[0] = vec![0; BLOCK_SIZE];
    assert_eq!((0..4).map(|_| card.boot()).collect::<Vec<_>>(), [Slot::B, Slot::B, Slot::B, Slot::A]);
}

#[test]
fn a_block_written_by_debians_u_boot_is_read() {
    // What `env export -c -s 0x4000` of u-boot-rpi 2025.01 left on an emulated card after the first try of slot B.
    let mut block = vec![0x74, 0x31, 0x72, 0x1b];
    block.extend_from_slice(b"A_LEFT=3\0B_LEFT=2\0FORMAT=1\0ORDER=B A\0TRIAL=1");
    block.resize(BLOCK_SIZE, 0);
    let tried_once = BootState { first: Slot::B, a_left: 3, b_left: 2, trial: Trial::Running };
    assert_eq!(BootState::decode(&block), Ok(tried_once));
    assert_eq!(tried_once.encode().unwrap(), block);
}
