//! The system on its tables: facts, sweeps, publications, announcements and repairs, whatever goes wrong in between.

mod ahead;
mod boundaries;
mod changes;
mod costs;
mod crashes;
mod documents;
mod events;
mod exhaustive;
mod fuzz_corpus;
mod ingest;
mod insight;
mod killed;
mod lists;
mod merged;
mod moved;
mod preview;
mod publications;
mod relay;
mod stored;
mod stores;
mod sweeps;
mod swept;
mod told_ahead;
mod torn;
mod verified;
