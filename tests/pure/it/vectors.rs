//! Every worked case of the semantics holds, and the copies here are identical to the shared ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cases::vector::Vector;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_vector_holds() {
    let mut run = 0;
    let mut misses = Vec::new();
    for file in files(&root().join("tests/vectors")) {
        let content = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for vector in Vector::read_all(&content).unwrap() {
            run += 1;
            misses.extend(
                vector
                    .run(&rules::calendar::Zones::built_in())
                    .into_iter()
                    .map(|miss| format!("{}: {}: {}", vector.id, miss.place, miss.what)),
            );
        }
    }
    assert!(run >= 100, "only {run} vectors were found");
    assert!(misses.is_empty(), "\n{}", misses.join("\n"));
}

/// The sections of `docs/semantics.md` that come from edition 2; the others still come from edition 1.
const EDITION_2: [&str; 8] = [
    "1. The one idea",
    "2. Time",
    "3. Program",
    "4. Facts and what they are worth",
    "5. Earned tier at instant t",
    "6. Standing",
    "7. Transitions and rewards",
    "9. Replay and vectors",
];

/// The worked cases of edition 2 whose rules are built.
const BUILT_OF_EDITION_2: [&str; 15] = [
    "clamp.json",
    "corrections.json",
    "documents.json",
    "earning.json",
    "eligibility.json",
    "gift-cards.json",
    "grace.json",
    "merged.json",
    "min-total.json",
    "paid-at.json",
    "refund-parts.json",
    "restored.json",
    "retain.json",
    "told-ahead.json",
    "years.json",
];

/// The sections of a text by their headings, and the text before them.
fn sections(text: &str) -> BTreeMap<&str, &str> {
    text.split("\n## ").map(|section| section.split_once('\n').unwrap_or((section, ""))).collect()
}

#[test]
fn our_copies_of_the_semantics_and_the_vectors_are_the_ones_we_were_given() {
    let shared = root().join("../shared");
    if !shared.exists() {
        assert!(std::env::var_os("ECHELON_SHARED").is_none(), "{} is missing", shared.display());
        eprintln!("skipped: there is no shared folder beside the checkout to compare with");
        return;
    }
    let text = |path: PathBuf| fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let ours = text(root().join("docs/semantics.md"));
    let editions = ["semantics.md", "semantics-edition-2.md"].map(|name| text(shared.join("spec").join(name)));
    let [first, second] = editions.each_ref().map(|text| sections(text));
    assert_eq!(sections(&ours).len(), first.len());
    for (name, section) in sections(&ours) {
        let normative = if EDITION_2.contains(&name) { &second } else { &first };
        assert_eq!(section, normative[name], "section {name}");
    }
    let names =
        |folder: PathBuf| files(&folder).iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    let folder = |edition: &str| shared.join(edition);
    let built = |name: &std::ffi::OsString| BUILT_OF_EDITION_2.iter().any(|topic| name.to_str() == Some(topic));
    let second = names(folder("vectors-edition-2")).into_iter().filter(built).map(|name| ("vectors-edition-2", name));
    let given: BTreeMap<_, _> = names(folder("vectors"))
        .into_iter()
        .map(|name| ("vectors", name))
        .chain(second)
        .map(|(edition, name)| (name, edition))
        .collect();
    assert_eq!(names(root().join("tests/vectors")), given.keys().cloned().collect::<Vec<_>>());
    for (name, edition) in given {
        assert_eq!(text(root().join("tests/vectors").join(&name)), text(folder(edition).join(&name)));
    }
}
