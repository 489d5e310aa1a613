//! Events posted to a webhook, as its receiver sees them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::common::receiver::{Post, Receiver};
use crate::common::{Served, TOKEN_KEY, command, echelon, eventually, order};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;

const SECRET: &str = "a secret of some length";
const TAKEN: (Duration, u16) = (Duration::ZERO, 200);

/// Sends an order for each member.
fn tell(served: &Served, members: &[String], id: &str, total: &str) {
    let line = |member: &String| order(member, &format!("{id}-{member}"), total).to_string();
    let lines: Vec<String> = members.iter().map(line).collect();
    assert_eq!(served.post("/events", &lines.join("\n"), &[]).0, 202);
}

fn members(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("m{number}")).collect()
}

fn is_about_all(posts: &[Post], members: &[String]) -> bool {
    let told: BTreeSet<&str> = posts.iter().map(Post::member).collect();
    members.iter().all(|member| told.contains(member.as_str()))
}

fn is_signed(post: &Post) {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{}.{}", post.header("x-echelon-timestamp"), post.body).as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(post.header("x-echelon-signature"), format!("v1={digits}"));
    let at: u64 = post.header("x-echelon-timestamp").parse().unwrap();
    assert!(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().abs_diff(at) < 300);
    assert_eq!(post.header("x-echelon-delivery"), post.event["id"].as_str().unwrap());
    assert!(post.header("x-echelon-event").ends_with(".v1"));
}

#[test]
fn what_is_posted_is_signed_and_carries_the_authorization() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::http(|_| TAKEN);
    let (url, secrets) = (receiver.url(), ["--webhook-secret", SECRET, "--webhook-authorization", "Bearer of tests"]);
    // The system's clock is moved; the receiver's is not.
    let more = ["--webhook", &url, "--clock", "2030-01-01T00:00:00Z"];
    let served = Served::start(folder.path(), &[&more[..], &secrets].concat());
    tell(&served, &members(3), "1", "60.00");
    let posts = receiver.taken_once(|posts| is_about_all(posts, &members(3)));
    for post in posts {
        is_signed(&post);
        assert_eq!(post.header("authorization"), "Bearer of tests");
    }
    served.end();
    let served = Served::start(folder.path(), &["--webhook", &receiver.url(), "--trust-clock"]);
    tell(&served, &["anna".to_owned()], "1", "60.00");
    let posts = receiver.taken_once(|posts| is_about_all(posts, &["anna".to_owned()]));
    let plain = posts.iter().find(|post| post.member() == "anna").unwrap();
    assert_eq!((plain.header("x-echelon-signature"), plain.header("authorization")), ("", ""));
}

#[test]
fn over_https_a_receiver_without_a_trusted_certificate_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::https(|_| TAKEN);
    let url = receiver.url();
    let more = ["--webhook", &url, "--webhook-secret", SECRET];
    let roots = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert!(path.is_file(), "{}: without it, no roots are trusted at all", path.display());
        path.display().to_string()
    };
    let others = roots("../aws/src/amazon-roots.pem");
    let served = Served::start_in(folder.path(), "acme", &more, &[("SSL_CERT_FILE", &others)]);
    tell(&served, &members(3), "1", "60.00");
    assert!(eventually(|| served.said().contains("invalid peer certificate")), "{}", served.said());
    assert!(receiver.posts().is_empty());
    served.end();
    let ours = roots("tests/data/tls/ca.pem");
    let served = Served::start_in(folder.path(), "acme", &more, &[("SSL_CERT_FILE", &ours)]);
    receiver.taken_once(|posts| is_about_all(posts, &members(3))).iter().for_each(is_signed);
    served.end();
}

#[test]
fn what_a_url_has_beside_its_place_is_never_told() {
    let folder = tempfile::tempdir().unwrap();
    // The port has no listener any more.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}/hook?key=hooksecret");
    let served = Served::start(folder.path(), &["--webhook", &url, "--webhook-authorization", "Basic hooksecret"]);
    tell(&served, &members(20), "1", "60.00");
    assert!(eventually(|| served.said().contains("the webhook takes nothing")), "{}", served.said());
    let said = served.said();
    assert!(said.contains(&format!("http://{address}/hook: ")) && !said.contains("hooksecret"), "{said}");
    for (args, remedy) in [
        (["serve", "--webhook", "http://anna:hooksecret@example.com/hook"], "--webhook-authorization 'Basic …'"),
        (["jobs", "--url", "http://anna:hooksecret@example.com"], "name a token with --token"),
        (["jobs", "--url", "http://example.com?key=hooksecret"], "was given with a query"),
    ] {
        let refused = command(&args);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(said.contains(remedy) && !said.contains("hooksecret"), "{said}");
    }
}

#[test]
fn a_slow_receiver_is_told_of_several_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::http(|_| (Duration::from_secs(1), 200));
    let served = Served::start(folder.path(), &["--webhook", &receiver.url()]);
    let (all, began) = (members(40), Instant::now());
    tell(&served, &all, "1", "60.00");
    receiver.taken_once(|posts| is_about_all(posts, &all));
    let took = began.elapsed();
    eprintln!("40 members in {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_member_whose_event_hangs_or_is_refused_does_not_delay_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::http(|event| match event["member_id"].as_str() {
        Some("hangs") => (Duration::from_secs(120), 200),
        Some("refused") => (Duration::ZERO, 410),
        _ => TAKEN,
    });
    let served = Served::start(folder.path(), &["--webhook", &receiver.url()]);
    tell(&served, &["hangs".to_owned(), "refused".to_owned()], "1", "60.00");
    let others = members(20);
    for round in 0..3 {
        let began = Instant::now();
        // Each member reaches bronze, and then gold.
        tell(&served, &others, &round.to_string(), "300.00");
        let tier = if round == 0 { "bronze" } else { "gold" };
        let of_tier = |posts: &[Post]| posts.iter().filter(|post| post.event["after"]["id"] == tier).count();
        receiver.taken_once(|posts| of_tier(posts) == others.len());
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
    let refused = receiver.posts().iter().filter(|post| post.member() == "refused").count();
    assert_eq!(refused, 1, "it is tried again slowly");
    let told = |said: &str| said.matches("the webhook answers 410 Gone").count();
    assert!(eventually(|| told(&served.said()) == 1), "{}", served.said());
    assert!(!served.said().contains("refused "), "{}", served.said());
}

/// At first nothing is accepted, and later every event of some members fails once. All events arrive, each member's in
/// their order.
#[test]
fn a_receiver_that_fails_and_recovers_is_told_all_of_it_in_order_for_each_member() {
    let folder = tempfile::tempdir().unwrap();
    let (count, met) = (AtomicUsize::new(0), Mutex::new(HashSet::new()));
    let receiver = Receiver::http(move |event| {
        let down = count.fetch_add(1, Ordering::Relaxed) < 11;
        let steady = !["m0", "m1", "m2", "m3"].contains(&event["member_id"].as_str().unwrap_or_default());
        let taken = !down && (steady || !met.lock().unwrap().insert(event["id"].to_string()));
        (Duration::ZERO, if taken { 200 } else { 503 })
    });
    let served = Served::start(folder.path(), &["--webhook", &receiver.url()]);
    let all = members(12);
    for (round, total) in ["60.00", "500.00"].iter().enumerate() {
        tell(&served, &all, &round.to_string(), total);
        served.health_once(|health| health["waiting"] == 0);
    }
    // Bronze, gold and the reward of gold for each member, and the program version.
    let expected = all.len() * 3 + 1;
    let ids = |posts: &[Post]| posts.iter().map(|post| post.event["id"].to_string()).collect::<BTreeSet<_>>().len();
    let posts = receiver.taken_once(|posts| ids(posts) == expected);
    let mut told: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    for post in posts.iter().filter(|post| !post.member().is_empty()) {
        let of = (post.event["sequence"].as_u64().unwrap(), post.header("x-echelon-event"));
        told.entry(post.member()).or_default().push(of);
    }
    for (member, told) in told {
        let in_order = [(1, "tier.changed.v1"), (2, "tier.changed.v1"), (2, "tier.reward_issued.v1")];
        assert_eq!(told, in_order, "{member}");
    }
    assert!(eventually(|| served.said().contains("and has what it did not take")), "{}", served.said());
    served.end();
}

#[test]
fn it_continues_when_its_output_has_no_reader() {
    let folder = tempfile::tempdir().unwrap();
    let count = AtomicUsize::new(0);
    let receiver = Receiver::http(move |_| (Duration::ZERO, [500, 200][count.fetch_add(1, Ordering::Relaxed).min(1)]));
    let file = folder.path().join("program.json");
    std::fs::write(&file, crate::common::program().to_string()).unwrap();
    let mut child = Command::new(echelon())
        .args(["serve", "--listen", "127.0.0.1:0", "--shop", "acme", "--webhook", &receiver.url()])
        .env("ECHELON_TOKEN_KEY", TOKEN_KEY)
        .arg("--program")
        .arg(&file)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = said.find_map(|line| Some(line.split("http://").nth(1)?.split_once(',')?.0.to_owned())).unwrap();
    let _ = said.find(|line| line.contains("`echelon token`"));
    drop((said, child.stdout.take()));
    let url = format!("http://{address}");
    let events = folder.path().join("events.jsonl");
    let lines: Vec<String> = members(5).iter().map(|member| order(member, member, "60.00").to_string()).collect();
    std::fs::write(&events, lines.join("\n")).unwrap();
    let loaded = command(&["load", events.to_str().unwrap(), "--url", &url]);
    assert!(loaded.status.success(), "{loaded:?}");
    receiver.taken_once(|posts| is_about_all(posts, &members(5)));
    assert_eq!(child.try_wait().unwrap(), None);
    let more = command(&["jobs", "--url", &url, "--format", "json"]);
    assert!(serde_json::from_slice::<Value>(&more.stdout).is_ok(), "{more:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}
