//! A bad input: what is delivered, and the required outcome of it and of everything beside it.

use engine::ingest::{Report, native};
use serde_json::{Value, json};
use store::records::Reason;
use store::shop::ShopId;
use tests::api_harness::ApiHarness;
use tests::system::quarantine_rows;

/// The required outcome of a delivery.
#[derive(Debug, Clone, Copy)]
pub enum Becomes {
    /// Taken in.
    Applied,
    /// Known already.
    Duplicate,
    /// A revision that wins is known.
    Superseded,
    /// About an erased member.
    MemberErased,
    /// Ignored.
    Ignored,
    /// Quarantined.
    Quarantined(Quarantined),
}

pub use Becomes::{Applied, Duplicate, Ignored, MemberErased, Superseded};

/// The details of a quarantined delivery.
#[derive(Debug, Clone, Copy)]
pub struct Quarantined {
    /// The shop of its row, or none.
    shop: Option<&'static str>,
    reason: Reason,
    paths: &'static [&'static str],
    /// Words of the answer to a caller who sends the same fact over HTTP.
    says: &'static str,
}

/// Quarantined with the shop, for this reason, with these places.
pub const fn quarantined(reason: Reason, paths: &'static [&'static str]) -> Becomes {
    Becomes::Quarantined(Quarantined { shop: Some("acme"), reason, paths, says: "" })
}

/// Quarantined without a shop, because the shop is not known, or not believed.
pub const fn of_no_shop(reason: Reason, paths: &'static [&'static str]) -> Becomes {
    Becomes::Quarantined(Quarantined { shop: None, reason, paths, says: "" })
}

/// Quarantined as wrong at one place; a caller who sends the same fact over HTTP is told these words.
pub const fn wrong(path: &'static [&'static str; 1], says: &'static str) -> Becomes {
    Becomes::Quarantined(Quarantined { shop: Some("acme"), reason: Reason::Invalid, paths: path, says })
}

impl Becomes {
    /// Quarantined; a caller who sends the same over HTTP is told these words.
    pub const fn saying(self, says: &'static str) -> Self {
        match self {
            Self::Quarantined(quarantined) => Self::Quarantined(Quarantined { says, ..quarantined }),
            other => other,
        }
    }

    /// Quarantined with another shop.
    pub const fn of(self, shop: &'static str) -> Self {
        match self {
            Self::Quarantined(quarantined) => Self::Quarantined(Quarantined { shop: Some(shop), ..quarantined }),
            other => other,
        }
    }
}

/// A delivery.
#[derive(Debug, Clone)]
enum Sent {
    /// A message of the queue.
    Message(String),
    /// The shop's own event, which can also be sent over HTTP.
    Event(Value),
}

/// A bad input.
#[derive(Debug, Clone)]
pub struct Case {
    /// A sentence that says what is bad.
    pub name: &'static str,
    program: Value,
    /// Events that are told once, before.
    before: Vec<Value>,
    sent: Vec<(Sent, Becomes)>,
    /// Member, tier (empty: none) and the amount counted; `None` if nothing is known of the member.
    stand: Vec<(String, Option<(&'static str, &'static str)>)>,
    /// A member whose name is left nowhere but in a tombstone.
    gone: Option<&'static str>,
}

/// A case with a name that says what is bad.
pub fn case(name: &'static str) -> Case {
    let program =
        program("amount_spent", json!([{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500 }]));
    Case { name, program, before: Vec::new(), sent: Vec::new(), stand: Vec::new(), gone: None }
}

fn program(metric: &str, tiers: Value) -> Value {
    json!({ "start_date": "2023-01-01", "currency": "USD", "tiers": tiers,
            "milestone": { "metric": metric, "period": "lifetime", "on_refund": "revoke" } })
}

impl Case {
    /// Makes the shop's program count points.
    pub fn counting_points(mut self) -> Self {
        self.program["milestone"]["metric"] = json!("points_earned");
        self
    }

    /// Makes the shop's program look at tags.
    pub fn looking_at_tags(mut self) -> Self {
        let tiers = json!([{ "id": "silver", "tags": ["vip"] }, { "id": "gold", "tags": ["vvip"] }]);
        self.program =
            json!({ "start_date": "2023-01-01", "tiers": tiers, "milestone": { "metric": "customer_tags" } });
        self
    }

    /// Makes the shop's program leave tax out.
    pub fn without_tax(mut self) -> Self {
        self.program["spend"] = json!({ "include_tax": false });
        self
    }

    /// Adds an event that is told before.
    pub fn after(mut self, event: Value) -> Self {
        self.before.push(event);
        self
    }

    /// Adds a message that is delivered.
    pub fn message(mut self, body: impl Into<String>, becomes: Becomes) -> Self {
        self.sent.push((Sent::Message(body.into()), becomes));
        self
    }

    /// Adds one of the shop's own events that is delivered.
    pub fn event(mut self, event: Value, becomes: Becomes) -> Self {
        self.sent.push((Sent::Event(event), becomes));
        self
    }

    /// Adds many of the shop's own events that are delivered.
    pub fn events(self, events: impl IntoIterator<Item = (Value, Becomes)>) -> Self {
        events.into_iter().fold(self, |case, (event, becomes)| case.event(event, becomes))
    }

    /// Expects this standing of a member; an empty tier is none.
    pub fn stands(mut self, member: impl Into<String>, tier: &'static str, counted: &'static str) -> Self {
        self.stand.push((member.into(), Some((tier, counted))));
        self
    }

    /// Expects that nothing is known of a member, and that only a tombstone and the verification of the erasure are left.
    pub fn gone(self, member: &'static str) -> Self {
        Self { gone: Some(member), ..self.unknown(member) }
    }

    /// Expects that nothing is known of a member.
    pub fn unknown(mut self, member: impl Into<String>) -> Self {
        self.stand.push((member.into(), None));
        self
    }
}

/// Delivers all cases, and panics with the names of those that have another outcome.
pub async fn all_become_what_they_have_to(cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for case in cases {
        if let Err(why) = becomes_what_it_has_to(&case).await {
            wrong.push(format!("{}: {why}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn becomes_what_it_has_to(case: &Case) -> Result<(), String> {
    let desk = ApiHarness::with(&case.program).await;
    for event in &case.before {
        same("taken in before", desk.system.tell(std::slice::from_ref(event)).await.counts.applied, 1)?;
    }
    let mut bodies = Vec::new();
    for (place, (sent, becomes)) in case.sent.iter().enumerate() {
        let before = everything(&desk).await;
        let body = match sent {
            Sent::Message(body) => body.clone(),
            Sent::Event(event) => native(&desk.system.shop, event, desk.system.now()),
        };
        // Its neighbors in the batch are not affected.
        let report =
            desk.system.deliver(&[neighbour(&desk, 2 * place), body.clone(), neighbour(&desk, 2 * place + 1)]).await;
        became(&report, *becomes).map_err(|why| format!("message {place}: {why}"))?;
        if let Becomes::Quarantined(quarantined) = becomes {
            nothing_but_a_row(&desk, &before, quarantined, &body).await?;
            if let Sent::Event(event) = sent {
                is_refused_over_http(&desk, event, quarantined).await?;
            }
        }
        bodies.push(body);
    }
    same("the neighbours taken in", neighbours(&desk).await, 2 * bodies.len())?;
    stand(&desk, case).await?;
    let after = everything(&desk).await;
    let quarantined = case.sent.iter().filter(|(_, becomes)| matches!(becomes, Becomes::Quarantined(_))).count();
    let again = desk.system.deliver(&bodies).await;
    same(
        "again: failed, applied, quarantined",
        (again.failed.len(), again.counts.applied, again.quarantined.len()),
        (0, 0, quarantined),
    )?;
    unchanged("after the same again", &everything(&desk).await, &after)?;
    stand(&desk, case).await
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}:\n  found    {found:?}\n  expected {expected:?}")) }
}

const NEIGHBOUR: &str = "neighbour";

fn neighbour(desk: &ApiHarness, number: usize) -> String {
    native(
        &desk.system.shop,
        &tests::api_harness::order(NEIGHBOUR, &format!("{NEIGHBOUR} {number}"), "1.00"),
        desk.system.now(),
    )
}

async fn neighbours(desk: &ApiHarness) -> usize {
    desk.system.member(NEIGHBOUR).await.ledger.orders().len()
}

/// All items except the neighbor's.
async fn everything(desk: &ApiHarness) -> Vec<String> {
    let mut all = desk.everything().await;
    all.retain(|item| !item.contains(NEIGHBOUR));
    all
}

/// Checks that the tables are as they were.
fn unchanged(when: &str, found: &[String], before: &[String]) -> Result<(), String> {
    let only =
        |these: &[String], those: &[String]| these.iter().filter(|item| !those.contains(item)).cloned().collect();
    let (came, went): (Vec<_>, Vec<_>) = (only(found, before), only(before, found));
    same(&format!("what changed {when}"), came, went)
}

fn became(report: &Report, becomes: Becomes) -> Result<(), String> {
    let counts = &report.counts;
    let found = [
        counts.applied,
        counts.duplicates,
        counts.superseded,
        counts.member_erased,
        counts.ignored,
        counts.quarantined,
    ];
    let expected = match becomes {
        Applied => [3, 0, 0, 0, 0, 0],
        Duplicate => [2, 1, 0, 0, 0, 0],
        Superseded => [2, 0, 1, 0, 0, 0],
        MemberErased => [2, 0, 0, 1, 0, 0],
        Ignored => [2, 0, 0, 0, 1, 0],
        Becomes::Quarantined(_) => [2, 0, 0, 0, 0, 1],
    };
    same("failed", (&report.failed, &report.failure), (&Vec::new(), &None))?;
    if found != expected {
        let why = format!("{:?}", report.quarantined);
        return same(
            "applied, duplicate, superseded, kept out, ignored, quarantined",
            (found, why),
            (expected, String::new()),
        );
    }
    Ok(())
}

/// Checks that nothing changed in the tables except for the row that reports it, and that its body is kept.
async fn nothing_but_a_row(
    desk: &ApiHarness,
    before: &[String],
    quarantined: &Quarantined,
    body: &str,
) -> Result<(), String> {
    let mut after = everything(desk).await;
    let Some(place) = after.iter().position(|item| item.contains("quarantine") && !before.contains(item)) else {
        return Err("no row tells of it".to_owned());
    };
    let new = after.remove(place);
    unchanged("but a row that tells of it", &after, before)?;
    let shop = quarantined.shop.map(|shop| ShopId::new(shop).unwrap());
    let rows = quarantine_rows(&desk.system.store, shop.as_ref()).await;
    let row =
        rows.iter().find(|row| format!("{:?}", row.0.iter().collect::<std::collections::BTreeMap<_, _>>()) == new);
    let Some(row) = row else { return Err(format!("the row is not with {shop:?}: {new}")) };
    let paths = row.0["paths"].as_l().unwrap().iter().map(|path| path.as_s().unwrap().as_str()).collect::<Vec<_>>();
    same(
        "reason and paths",
        (row.need_text("reason").unwrap(), paths),
        (quarantined.reason.code(), quarantined.paths.to_vec()),
    )?;
    same("the body is kept", desk.system.kept.bodies().iter().any(|(_, kept)| kept == body), true)
}

/// Checks that a caller who sends it over HTTP is told the same, in words, and that nothing of it is kept.
async fn is_refused_over_http(desk: &ApiHarness, event: &Value, quarantined: &Quarantined) -> Result<(), String> {
    let before = everything(desk).await;
    let said = desk.post("/v1/facts", event.clone()).await;
    same("status over HTTP", said.status, 422)?;
    same("type over HTTP", &said.body["type"], &json!("urn:echelon:problem:validation-failed"))?;
    let problems = said.body["problems"].as_array().cloned().unwrap_or_default();
    let paths: Vec<&str> = problems.iter().map(|problem| problem["path"].as_str().unwrap()).collect();
    same("paths over HTTP", paths, quarantined.paths.to_vec())?;
    if !said.body.to_string().contains(quarantined.says) {
        return Err(format!("it does not say `{}`: {}", quarantined.says, said.body));
    }
    unchanged("after it was told over HTTP", &everything(desk).await, &before)
}

async fn stand(desk: &ApiHarness, case: &Case) -> Result<(), String> {
    if let Some(gone) = case.gone {
        let all = desk.everything().await;
        let left: Vec<&String> = all.iter().filter(|item| item.contains(gone) && !item.contains("erased_at")).collect();
        same("what is left of an erased member", left, Vec::new())?;
    }

    for (member, expected) in &case.stand {
        let said = desk.post("/v1/standings", json!({ "member_ids": [member] })).await.is(200);
        let standing = &said["standings"][0]["standing"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found =
            (!standing.is_null()).then(|| (text(&standing["tier"]["id"]), text(&standing["progress"]["counted"])));
        let expected = expected.map(|(tier, counted)| (tier.to_owned(), counted.to_owned()));
        same(&format!("the standing of {member:?}"), found, expected)?;
    }
    Ok(())
}
