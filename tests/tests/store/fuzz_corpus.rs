//! The checks of the fuzzer, on its seeds and on damaged copies of them: without the fuzzer, in every run of the tests.

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Damaged copies of each seed.
const DAMAGED: usize = 2_000;

/// The seeds of a target.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 3, "{} has only {} seeds", folder.display(), paths.len());
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Pseudorandom numbers, the same every time (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// A seed damaged in one to three places: a bit flipped, a byte replaced, a part cut out or put in from another.
fn damaged(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(3) {
        let place = dice.below(bytes.len());
        let end = bytes.len().min(place + dice.below(40));
        match dice.below(6) {
            0 => bytes.truncate(place),
            1 => drop(bytes.drain(place..end)),
            2 => {
                let from = dice.below(other.len());
                let part = &other[from..other.len().min(from + dice.below(80))];
                drop(bytes.splice(place..end, part.iter().copied()));
            }
            kind => {
                if let Some(byte) = bytes.get_mut(place) {
                    let digits = b"0912-+.,\"{}[]\n\xff";
                    *byte = if kind == 3 { *byte ^ 1 << dice.below(8) } else { digits[dice.below(digits.len())] };
                }
            }
        }
    }
    bytes
}

fn replay(target: &str) {
    let (_, check) = fuzz::TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let (seeds, mut dice) = (seeds(target), Dice(0x9e37_79b9_7f4a_7c15));
    let holds = |path: &Path, bytes: &[u8]| {
        let text = bytes.escape_ascii();
        assert!(catch_unwind(|| check(bytes)).is_ok(), "`{target}` fails on a variant of {}: {text}", path.display());
    };
    for (path, seed) in &seeds {
        holds(path, seed);
        for _ in 0..DAMAGED {
            let other = dice.below(seeds.len());
            holds(path, &damaged(seed, &seeds[other].1, &mut dice));
        }
    }
}

#[test]
fn the_compact_form_holds_on_every_seed_and_on_damaged_ones() {
    replay("compact");
}

#[test]
fn the_envelope_holds_on_every_seed_and_on_damaged_ones() {
    replay("envelope");
}

#[test]
fn the_import_holds_on_every_seed_and_on_damaged_ones() {
    replay("import");
}

#[test]
fn the_program_holds_on_every_seed_and_on_damaged_ones() {
    replay("program");
}

#[test]
fn the_shopify_mapping_holds_on_every_seed_and_on_damaged_ones() {
    replay("shopify");
}

/// Each target needs a test of its own here.
#[test]
fn every_target_is_replayed_and_built() {
    let (this, manifest) = (include_str!("fuzz_corpus.rs"), include_str!("../../fuzz/Cargo.toml"));
    for (target, _) in fuzz::TARGETS {
        assert!(this.contains(&format!("replay(\"{target}\")")), "{target}");
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
    }
}
