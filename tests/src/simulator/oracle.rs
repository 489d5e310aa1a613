//! The expected state of everything, computed from scratch: from all messages ever sent, in any order, some of them twice.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cases::history;
use cases::vector::same;
use engine::quarantine::{Of, list_all};
use engine::verify::recompute;
use rules::advance::advance;
use rules::calendar::{Instant, Zones};
use rules::fact::{FUTURE_MS_MAX, ReceivedFact};
use rules::fact_index::FactIndex;
use rules::id::{MemberId, TierId};
use rules::ledger::Ledger;
use rules::standing::evaluate;
use rules::version::Versions;
use serde_json::{Value, json};
use store::history::Recorded;
use store::shop::ShopId;
use store::{Links, Member, StoredMember};

use super::dice::Dice;
use super::expression;
use super::found;
use super::process::{Ended, tables};
use super::workload::{CANARY, Meant, Shop};
use super::world::{InvariantViolation, World};
use reference;

/// Compares a shop with its expected state.
pub(super) async fn check(world: &World, shop: &Shop, dice: &mut Dice) -> Result<(), InvariantViolation> {
    let versions = world.store.versions(&shop.id).await.map_err(|error| error.detail())?;
    let versions = versions.ok_or("the program is lost")?;
    let now = world.network.instant();
    let index = index(shop, dice);
    let mut ids: BTreeSet<MemberId> = index.members().chain(index.erased()).cloned().collect();
    ids.extend(stored_ids(world, shop));
    let stored = world.store.members(&shop.id, ids.iter().cloned()).await.map_err(|error| error.detail())?;
    for (id, as_stored) in &stored {
        let at = |broken: InvariantViolation| format!("{id}: {broken}");
        facts(&index, id, as_stored).map_err(at)?;
        let Some(held) = as_stored.clone().alive() else { continue };
        let recorded = world.store.history(&shop.id, id).await.map_err(|error| at(error.detail()))?;
        let ledger = with_holds(&index, id, &recorded);
        if ledger != held.ledger {
            return Err(at(format!("other facts are stored than were told: {:?} in place of {ledger:?}", held.ledger)));
        }
        // An id that stands for another member is not reviewed; it is brought back with the fact that undoes the merge.
        if held.stands_for.is_none() && held.record.evaluated_at() > Some(now.plus_millis(FUTURE_MS_MAX)) {
            return Err(at(format!("was looked at by a clock that was ahead: {:?}", held.record)));
        }
        if held.links != Links::of(index.merges(), id) {
            return Err(at(format!("other merges are stored than were told: {:?}", held.links)));
        }
        record(&versions, &held, &recorded, world.swept_at).map_err(at)?;
        rewards(&versions, &recorded).map_err(at)?;
        let differences = recompute(&world.store, &shop.id, id, &versions, now).await;
        let differences = differences.map_err(|error| at(error.detail()))?.differences;
        if !differences.is_empty() {
            let rows = world.store.rows_about(&shop.id, id).await.map_err(|error| at(error.detail()))?.0;
            return Err(at(format!(
                "the item is not what its rows say: {differences:?}: {:?}, and rows {rows:?}",
                held.ledger
            )));
        }
        let whole = held.stands_for.as_ref().and_then(|into| stored.get(into)?.clone().present());
        let counting = whole.as_ref().unwrap_or(&held).counting();
        let merged_into = held.stands_for.clone();
        answer(world, shop, (id, &counting, merged_into), &versions, instant(dice, now)).await.map_err(at)?;
    }
    quarantine_rows(world, shop).await?;
    announcements(world, shop)?;
    found::check(world, shop, &versions, &stored).await?;
    // The reference model knows only the newest release.
    if world.store.zones().release() != Zones::built_in().release() {
        return Ok(());
    }
    reference_agrees(shop, &versions, &stored, now)
}

/// An index of all facts that were sent, in another order, some of them twice.
fn index(shop: &Shop, dice: &mut Dice) -> FactIndex {
    let meant = shop.sent.iter().filter_map(|sent| match &sent.meant {
        Meant::Facts(facts) => Some(facts),
        Meant::Nothing | Meant::Quarantined => None,
    });
    let mut all: Vec<_> = meant.flatten().collect();
    let twice: Vec<_> = all.iter().copied().filter(|_| dice.chance(200)).collect();
    all.extend(twice);
    dice.shuffle(&mut all);
    let mut index = FactIndex::new();
    for fact in all {
        index.apply(fact.clone());
    }
    index
}

fn stored_ids(world: &World, shop: &Shop) -> BTreeSet<MemberId> {
    let state = world.network.state();
    let begins = format!("{}#", shop.id);
    let members = tables().members;
    let keys = state.tables.items(&members).map(|item| (text(item, "pk"), text(item, "sk")));
    keys.filter(|(pk, sk)| pk.starts_with(&begins) && !sk.contains('\t'))
        .map(|(_, sk)| MemberId::new(&sk).unwrap())
        .collect()
}

fn text(item: &expression::Item, name: &str) -> String {
    item.get(name).and_then(expression::text).unwrap_or_default().to_owned()
}

/// Checks that exactly the members who are to be forgotten are, and that every known member is stored.
fn facts(index: &FactIndex, id: &MemberId, stored: &StoredMember) -> Result<(), InvariantViolation> {
    let known = index.ledger(id).is_some_and(|ledger| !ledger.is_empty());
    match (index.is_erased(id), stored.is_erased()) {
        (true, false) => Err("is not forgotten".to_owned()),
        (false, true) => Err("is forgotten, and never asked for it".to_owned()),
        (false, false) if known && *stored == StoredMember::Absent => Err("is not stored".to_owned()),
        (true, true) | (false, false) => Ok(()),
    }
}

fn with_holds(index: &FactIndex, id: &MemberId, recorded: &[Recorded]) -> Ledger {
    let mut ledger = index.ledger(id).cloned().unwrap_or_default();
    for row in recorded {
        if let Recorded::Held(held) = row {
            ledger.hold(held.assignment());
        }
    }
    ledger
}

/// Checks that the tier on record is that of the last transition, that the numbers have no gaps, and that each transition begins
/// where the last one ended. Also checks that the member is not left behind: nothing is due up to the last boundary, and the tier
/// on record there is what evaluation says.
fn record(
    versions: &Versions,
    held: &Member,
    recorded: &[Recorded],
    swept_at: Instant,
) -> Result<(), InvariantViolation> {
    let mut transitions: Vec<_> = recorded
        .iter()
        .filter_map(|row| match row {
            Recorded::Transition { event, .. } => Some(event),
            _ => None,
        })
        .collect();
    transitions.sort_by_key(|event| event.sequence);
    let mut tier: Option<TierId> = None;
    for (event, number) in transitions.iter().zip(1..) {
        let before = event.before.as_ref().map(|tier| tier.id.clone());
        if event.sequence != number || before != tier {
            return Err(format!("transition {number} begins at {tier:?}: {event:?}"));
        }
        tier = event.after.as_ref().map(|tier| tier.id.clone());
    }
    if (held.record.seq() as usize, held.record.tier()) != (transitions.len(), tier.as_ref()) {
        return Err(format!("{} transitions lead to {tier:?}, and on record is {:?}", transitions.len(), held.record));
    }
    if held.stands_for.is_some() {
        return match tier {
            None => Ok(()),
            Some(tier) => Err(format!("stands for another member, and holds {tier}")),
        };
    }
    let mut held = held.clone();
    let version = versions.in_force(swept_at);
    let zone = &version.program.timezone;
    let boundary = zone.midnight(zone.day(swept_at)).max(version.effective_at);
    let due = held.evaluate(|ledger, record| advance(ledger, record, versions, boundary));
    let (ledger, record) = (held.counting(), &held.record);
    if !due.is_empty() {
        return Err(format!("was left behind: {due:?}"));
    }
    let evaluated =
        evaluate(versions.in_force(boundary), &ledger, boundary.max(record.evaluated_at().unwrap_or(boundary)));
    let evaluated = versions.in_force(boundary).program.tier_id(evaluated.tier);
    if record.tier() != evaluated {
        return Err(format!("on record is {:?}, and evaluating says {evaluated:?}", record.tier()));
    }
    Ok(())
}

/// Checks that no entry reward comes twice: with repeats, not twice in one stretch of the tier.
fn rewards(versions: &Versions, recorded: &[Recorded]) -> Result<(), InvariantViolation> {
    let mut given: BTreeMap<&TierId, BTreeSet<Instant>> = BTreeMap::new();
    let mut rewards: Vec<_> = recorded
        .iter()
        .filter_map(|row| match row {
            Recorded::Reward { event, since } => Some((event, *since)),
            _ => None,
        })
        .collect();
    rewards.sort_by_key(|(event, _)| event.sequence);
    for (event, since) in rewards {
        let repeats =
            versions.numbered(event.program_version).is_some_and(|version| version.program.repeat_tier_rewards);
        let before = given.entry(&event.tier.id).or_default();
        if (!repeats && !before.is_empty()) || !before.insert(since) {
            return Err(format!("an entry reward twice: {event:?}, of {recorded:#?}"));
        }
    }
    Ok(())
}

/// An instant to ask about: now, or another.
fn instant(dice: &mut Dice, now: Instant) -> Instant {
    if dice.chance(300) { now } else { now.plus_millis(dice.between(-60, 400) * 43_200_000) }
}

/// A member's standing computed from what is stored; none if no fact is known.
pub(super) async fn stored_standing(
    world: &World,
    shop: &ShopId,
    id: &MemberId,
    as_of: Instant,
) -> Result<Option<Value>, InvariantViolation> {
    let versions = world.store.versions(shop).await.map_err(|error| error.detail())?.ok_or("the program is lost")?;
    let mut stored = world.store.members(shop, [id.clone()]).await.map_err(|error| error.detail())?;
    let mut held = stored.remove(id).and_then(StoredMember::present).unwrap_or_default();
    let merged_into = held.stands_for.take();
    if let Some(into) = &merged_into {
        stored = world.store.members(shop, [into.clone()]).await.map_err(|error| error.detail())?;
        held = stored.remove(into).and_then(StoredMember::present).unwrap_or_default();
    }
    let standing =
        |ledger: &Ledger| http_api::standing::Standing::of(shop, id, versions.in_force(as_of), ledger, as_of);
    let counting = held.counting();
    Ok((!counting.is_empty()).then(|| json!(standing(&counting).merged_into(merged_into))))
}

/// Checks that the API says what evaluation says.
async fn answer(
    world: &World,
    shop: &Shop,
    (id, ledger, merged_into): (&MemberId, &Ledger, Option<MemberId>),
    versions: &Versions,
    as_of: Instant,
) -> Result<(), InvariantViolation> {
    let standing = http_api::standing::Standing::of(&shop.id, id, versions.in_force(as_of), ledger, as_of);
    let expected = json!(standing.merged_into(merged_into));
    match world.desk.ask(&shop.id, "GET", &format!("/v1/members/{id}?as_of={as_of}"), None).await {
        Ended::Answered((200, said)) if said == expected => Ok(()),
        Ended::Answered((404, _)) if ledger.is_empty() => Ok(()),
        Ended::Answered((status, said)) => {
            Err(format!("as of {as_of} the API answers {status} {said} in place of {expected}"))
        }
        Ended::Gone => Err("the API does not answer".to_owned()),
    }
}

/// Checks that exactly the messages that can never succeed are quarantined, with their bodies.
async fn quarantine_rows(world: &World, shop: &Shop) -> Result<(), InvariantViolation> {
    let quarantined = shop.sent.iter().filter(|sent| matches!(sent.meant, Meant::Quarantined));
    let expected: BTreeSet<&str> = quarantined.map(|sent| sent.body.as_str()).collect();
    let all = list_all(&world.store, Of { shop: None, reason: None }).await.map_err(|error| error.detail())?;
    let rows: BTreeSet<String> = all.into_iter().map(|row| row.id.to_string()).collect();
    let state = world.network.state();
    let kept: BTreeMap<&str, &str> = state.quarantine.iter().map(|(id, body)| (body.as_str(), id.as_str())).collect();
    for body in &expected {
        match kept.get(body) {
            None => return Err(format!("a body is lost: {body}")),
            Some(id) if !rows.contains(*id) => return Err(format!("no row tells of {body}")),
            Some(_) => {}
        }
    }
    let of_all_shops: BTreeSet<&str> = world
        .shops
        .iter()
        .flat_map(|shop| &shop.sent)
        .filter(|sent| matches!(sent.meant, Meant::Quarantined))
        .map(|sent| sent.body.as_str())
        .collect();
    if let Some(body) = kept.keys().find(|body| !of_all_shops.contains(*body)) {
        return Err(format!("quarantined for nothing: {body}"));
    }
    Ok(())
}

/// Checks that exactly the recorded events were announced, as recorded, and that none waits any more.
fn announcements(world: &World, shop: &Shop) -> Result<(), InvariantViolation> {
    let state = world.network.state();
    let mut announced: BTreeMap<String, &str> = BTreeMap::new();
    for (_, detail) in &state.announced {
        let event: Value = serde_json::from_str(detail).map_err(|error| error.to_string())?;
        let is_forgotten =
            event["member_id"].as_str().is_some_and(|id| shop.forgotten.iter().any(|member| member.as_str() == id));
        if event["shop"] != shop.id.as_str() || is_forgotten {
            continue;
        }
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        if announced.insert(id, detail).is_some_and(|before| before != detail) {
            return Err(format!("announced twice, and not as the same: {detail}"));
        }
    }
    let begins = format!("{}#", shop.id);
    let ledger = tables().ledger;
    for row in state.tables.items(&ledger).filter(|row| text(row, "pk").starts_with(&begins)) {
        let detail = text(row, "detail");
        if detail.is_empty() || text(row, "type") == "tier.held" {
            continue;
        }
        let event: Value = serde_json::from_str(&detail).map_err(|error| error.to_string())?;
        let id = event["id"].as_str().unwrap_or_default();
        if announced.remove(id) != Some(&detail) {
            return Err(format!("recorded and not announced, or twice: {detail}"));
        }
        if row.contains_key("unpublished") {
            return Err(format!("announced, and still in its outbox: {detail}"));
        }
    }
    match announced.values().next() {
        Some(detail) => Err(format!("announced and not recorded: {detail}")),
        None => Ok(()),
    }
}

/// Checks that the reference model, which was written from the text and shares no code with the rules, says the same of every
/// member, down to the sum of what counts.
fn reference_agrees(
    shop: &Shop,
    versions: &Versions,
    stored: &BTreeMap<MemberId, StoredMember>,
    now: Instant,
) -> Result<(), InvariantViolation> {
    let mut programs: Vec<reference::Program> = Vec::new();
    for version in versions.iter() {
        let is_it = |event: &&Value| event["occurred_at"] == version.effective_at.to_string();
        let Some(event) = shop.published.iter().rev().find(is_it) else {
            return Err("a version that was never published".to_owned());
        };
        let at = Some(version.effective_at.millis());
        let read = reference::Program::read(&event["program"], at, &programs);
        programs.push(read.ok_or("a program that the reference model does not read")?);
    }
    let Some(last) = programs.last() else { return Ok(()) };
    let mut facts = reference::Shop::new("USD");
    for sent in &shop.sent {
        if let Meant::Facts(all) = &sent.meant {
            for fact in all {
                facts.take(&ReceivedFact::of(fact.clone()).to_json());
            }
        }
    }
    // A hold is not a fact: the reference model could derive it only by replaying everything.
    let is_held = |ledger: &Ledger| ledger.assignments().iter().any(|given| given.act.id().is_none());
    let known = stored.iter().filter_map(|(id, stored)| Some((id, stored.clone().present()?)));
    let whole = known.filter(|(_, held)| held.stands_for.is_none() && !is_held(&held.counting()));
    for (id, held) in whole {
        let ours = history::standing(versions.last(), &evaluate(versions.last(), &held.counting(), now));
        let theirs = reference::standing(last, &facts, id.as_str(), now.millis());
        if !same(&ours, &theirs) {
            return Err(format!("{id}: ours {ours}, the reference model's {theirs}"));
        }
    }
    Ok(())
}

/// An item, with its binary values as text. Rows of lists are compressed in addition; they hold ids, tiers and numbers.
fn readable(item: &expression::Item) -> String {
    let mut all = serde_json::to_string(item).unwrap();
    for packed in item.values().filter_map(|value| value["B"].as_str()) {
        all.push_str(&String::from_utf8_lossy(&STANDARD.decode(packed).unwrap()));
    }
    all
}

/// Checks that no personal data is stored or logged, and that nothing is left of forgotten members.
pub(super) fn check_bytes(world: &World) -> Result<(), InvariantViolation> {
    let state = world.network.state();
    let names = tables();
    let forgotten: Vec<&str> = world.shops.iter().flat_map(|shop| &shop.forgotten).map(MemberId::as_str).collect();
    for table in state.tables.names() {
        for item in state.tables.items(table) {
            let bytes = readable(item);
            if bytes.contains(CANARY) {
                return Err(format!("personal data is stored in {table}: {bytes}"));
            }
            let is_tombstone = table == names.members && item.contains_key("erased_at");
            let left = forgotten.iter().find(|member| bytes.contains(*member));
            if let Some(member) = left.filter(|_| table != names.control && !is_tombstone) {
                return Err(format!("{member} is not forgotten in {table}: {bytes}"));
            }
        }
    }
    let announced = state.announced.iter().find(|(_, detail)| detail.contains(CANARY));
    if let Some((_, detail)) = announced {
        return Err(format!("personal data was announced: {detail}"));
    }
    for name in [CANARY, "a-member-", "-forgettable-", "88000000000"] {
        if let Some(line) = world.log.line_with(name) {
            return Err(format!("a log line names a member: {line}"));
        }
    }
    Ok(())
}
