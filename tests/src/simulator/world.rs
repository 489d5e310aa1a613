//! A deployment with its shops, and the operations on it: one after the other, while everything else goes on.

use std::sync::Arc;
use std::time::Duration;

use rules::calendar::{Day, Instant};
use rules::id::MemberId;
use rules::version::Published;
use serde_json::{Value, json};
use store::table::create;
use store::{Publication, PublicationError, Store, key};
use tokio::task::JoinHandle;

use super::abandoned;
use super::api::Answering;
use super::bug::Bug;
use super::dice::Dice;
use super::expression::Item;
use super::fault::{Fault, Hits, Weather};
use super::log::Log;
use super::network::{Line, Network, Role};
use super::oracle;
use super::process::{Ended, Host, Relaying, Scale, Sweeping, tables};
use super::release::{Moved, Releases};
use super::spell;
use super::workers::{self, Stream};
use super::workload::{Meant, Sent, Shop, ZONES, edge};

pub(super) const SECOND: i64 = 1_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// A deployment, with everything in it.
pub struct World {
    /// The network between processes.
    pub network: Arc<Network>,
    /// Its shops.
    pub shops: Vec<Shop>,
    /// The random numbers of the story.
    pub dice: Dice,
    /// The tables, over a connection without faults.
    pub store: Store,
    /// The API, over a connection without faults.
    pub desk: Answering,
    /// The log.
    pub log: Log,
    pub(super) stream: Arc<Stream>,
    pub(super) workers: Vec<JoinHandle<()>>,
    api: Answering,
    edges: Vec<(i64, Fault)>,
    /// The operation before which all clocks are wrong for a while, if they are.
    pub spell: Option<u32>,
    /// Whether the workers of sweeps abandon pages during a rest.
    pub(super) abandoning: bool,
    /// Whether all clocks were ahead at some time.
    pub was_ahead: bool,
    newer: Option<(Item, Item)>,
    pub(super) had_newer: bool,
    published_at: i64,
    /// The instant of the last tick, which brought every member past the boundaries before it.
    pub swept_at: Instant,
    /// The instant at which, during the last rest, everything told had been taken in.
    pub settled_at: Instant,
}

/// An invariant that does not hold, in words.
pub type InvariantViolation = String;

impl World {
    /// A deployment of one or two shops, a few days before an edge of their calendars.
    ///
    /// # Errors
    /// Says what is wrong.
    pub async fn open(seed: u64, bug: Option<Bug>, log: Log) -> Result<Self, InvariantViolation> {
        let mut dice = Dice::of(seed);
        let (mut zone, mut edge, mut what) = edge(&mut dice);
        let mut releases = Releases::one();
        let mut edges = Vec::new();
        if let Some(moved) = Moved::of(seed) {
            (zone, edge, what) = (moved.zone, moved.edge, Fault::YearEdge);
            edges.push((moved.releases.change_at(), Fault::ReleaseChanged));
            releases = moved.releases;
        }
        let begin = edge - dice.between(0, 3) * DAY - dice.between(1, 20 * 60) * MINUTE;
        let network = Arc::new(Network::new(begin, Scale::of(&mut dice), releases, dice.split(), bug));
        let operator = Host::start(&network, Role::Operator);
        let store = operator.store();
        create(store.client(), &tables()).await.map_err(|error| error.to_string())?;
        let name = if dice.chance(500) { "acme" } else { "acme.myshopify.com" };
        let mut shops = vec![Shop::new(name, zone)];
        if dice.chance(200) {
            let (zone, _) = *dice.one(&ZONES);
            shops.push(Shop::new("other-shop", zone));
        }
        let stream = Arc::new(Stream::default());
        let workers = workers::start(&network, &stream);
        let (desk, api) = (Answering::start(&network, Role::ApiHarness), Answering::start(&network, Role::Api));
        edges.push((edge, what));
        let mut world = Self {
            network,
            shops,
            dice,
            store,
            desk,
            log,
            stream,
            workers,
            api,
            edges,
            spell: spell::of(seed),
            abandoning: abandoned::of(seed),
            was_ahead: false,
            newer: None,
            had_newer: false,
            swept_at: Instant::from_millis(begin),
            settled_at: Instant::from_millis(begin),
            published_at: i64::MIN,
        };
        for shop in 0..world.shops.len() {
            let start = Instant::from_millis(begin - world.dice.between(0, 500) * DAY).to_string();
            let program = world.shops[shop].program(&mut world.dice, &start[..10]);
            world.publish_at(shop, program, begin - MINUTE).await?;
        }
        Ok(world)
    }

    /// Replaces processes of an older deployment after a newer release of the time zone database has come.
    pub(super) fn redeploy(&mut self) {
        let zones = self.network.zones().clone();
        if self.store.zones().release() != zones.release() {
            self.store = self.store.clone().with_zones(zones);
            // Only a sweep looks at every member, and only at a midnight.
            self.had_newer = true;
        }
        if self.desk.is_outdated() {
            self.desk = Answering::start(&self.network, Role::ApiHarness);
        }
        if self.api.is_outdated() {
            self.api = Answering::start(&self.network, Role::Api);
        }
    }

    pub(super) fn fault_counts(&self, fault: Fault) {
        self.network.state().fault_counts.hit(fault);
    }

    /// Lets time pass.
    pub(super) async fn pass(&mut self, millis: i64) {
        let until = self.network.now() + millis;
        tokio::time::sleep(Duration::from_millis(millis.unsigned_abs())).await;
        for (_, fault) in self.edges.extract_if(.., |(at, _)| *at <= until) {
            self.network.state().fault_counts.hit(fault);
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.network.now()
    }

    /// Publishes a program; returns `false` if another version is about to take effect.
    async fn publish_at(&mut self, shop: usize, program: Value, at: i64) -> Result<bool, InvariantViolation> {
        let options = json!({ "rewards": self.dice.chance(500), "while_active": true,
                              "demotions": *self.dice.one(&["hold", "apply"]) });
        let at = Instant::from_millis(at);
        let published = Published::of(at, &program, &options, self.store.zones());
        let published = published.map_err(|problems| format!("{problems}: {program}"))?;
        let event = published.written().clone();
        let publication = Publication { event: published, by: "simulator".to_owned(), why: "a test".to_owned() };
        let now = self.network.instant();
        match self.store.publish(&self.shops[shop].id, &publication, now).await {
            Ok(_) => {
                self.shops[shop].published.push(event);
                self.published_at = self.now();
                Ok(true)
            }
            Err(PublicationError::AboutToTakeEffect { .. }) => Ok(false),
            Err(error) => Err(format!("{error}: {event}")),
        }
    }

    async fn publish(&mut self, shop: usize) -> Result<(), InvariantViolation> {
        let start = Instant::from_millis(self.now() - self.dice.between(0, 500) * DAY).to_string();
        let program = self.shops[shop].program(&mut self.dice, &start[..10]);
        let at = self.now() + self.dice.between(61 * SECOND, 3 * MINUTE);
        let is_swept = self.is_swept();
        if self.publish_at(shop, program, at).await? && !is_swept {
            self.fault_counts(Fault::VersionMidSweep);
        }
        Ok(())
    }

    fn is_swept(&self) -> bool {
        let state = self.network.state();
        [Line::Rollover, Line::Recalculation].iter().all(|line| state.queues[line].is_empty())
    }

    pub(super) fn send(&self, sent: &Sent) {
        self.network.state().weights.insert(sent.body.clone(), sent.weight());
        self.network.send(Line::Ingest, sent.body.clone(), 0);
    }

    fn tell(&mut self, shop: usize) {
        let now = self.now();
        let mut fault_counts = Hits::default();
        let sent = self.shops[shop].message(&mut self.dice, &mut fault_counts, now);
        self.network.state().fault_counts.add(&fault_counts);
        if now - self.published_at < 20 * SECOND {
            self.fault_counts(Fault::StaleProgram);
        }
        self.send(&sent);
    }

    /// Tells the API a fact. If the API does not confirm it, the fact comes over the queue too, whether it was stored or not.
    async fn tell_directly(&mut self, shop: usize) -> Result<(), InvariantViolation> {
        let (now, mut fault_counts) = (self.now(), Hits::default());
        let (fact, sent) = self.shops[shop].fact(&mut self.dice, &mut fault_counts, now);
        self.network.state().fault_counts.add(&fault_counts);
        match self.api.ask(&self.shops[shop].id, "POST", "/v1/facts", Some(&fact)).await {
            Ended::Answered((200, _)) => return Ok(()),
            Ended::Answered((503, _)) => {}
            Ended::Answered((status, said)) => return Err(format!("the API answers {status}: {said} to {fact}")),
            Ended::Gone => self.api = Answering::start(&self.network, Role::Api),
        }
        self.send(&sent);
        Ok(())
    }

    /// Carries out one operation.
    ///
    /// # Errors
    /// Says what is wrong.
    pub async fn operate(&mut self) -> Result<(), InvariantViolation> {
        self.redeploy();
        let shop = self.dice.place(self.shops.len());
        if self.newer.is_some() && self.dice.chance(400) {
            self.write_older()?;
        }
        match self.dice.below(200) {
            0..=118 => {
                for _ in 0..1 + self.dice.below(4) {
                    self.tell(shop);
                }
            }
            119..=125 => self.tell_directly(shop).await?,
            126..=133 => self.erase(shop),
            134 | 135 => self.tell_many(shop),
            136..=138 => self.publish(shop).await?,
            139 => {
                self.fault_counts(Fault::VersionsInARow);
                for _ in 0..3 {
                    self.publish(shop).await?;
                    // By then it is in force, and its sweep is just under way.
                    let pause = self.dice.between(3 * MINUTE, 5 * MINUTE);
                    self.pass(pause).await;
                }
            }
            140..=145 => self.wait().await,
            146..=150 => self.tick(),
            151 => self.hourly(),
            152..=171 => self.turn(),
            172..=176 => self.lose_stream(),
            177..=185 => self.send_again(shop),
            186..=188 => self.write_newer(),
            _ => self.ask(shop).await?,
        }
        if self.network.state().goes_on_for_ever() {
            return Err("it goes on for ever".to_owned());
        }
        let pause = self.dice.between(0, 2_000);
        self.pass(pause).await;
        Ok(())
    }

    fn tell_many(&mut self, shop: usize) {
        let (now, mut fault_counts) = (self.now(), Hits::default());
        let burst = self.shops[shop].burst(&mut self.dice, &mut fault_counts, now);
        self.network.state().fault_counts.add(&fault_counts);
        burst.iter().for_each(|sent| self.send(sent));
    }

    /// Lets the relay be down for so long that the stream has dropped what it did not deliver.
    fn lose_stream(&mut self) {
        if self.stream.lose(&self.network) {
            self.fault_counts(Fault::StreamLost);
        }
    }

    /// Sends an earlier message again, long after or not.
    fn send_again(&mut self, shop: usize) {
        let sent = &self.shops[shop].sent;
        if sent.is_empty() {
            return;
        }
        let sent = sent[self.dice.place(sent.len())].clone();
        if matches!(sent.meant, Meant::Quarantined) {
            return; // a message that was too early may not be by now
        }
        self.fault_counts(if self.now() - sent.at >= 30 * DAY {
            Fault::DuplicateLater
        } else {
            Fault::DuplicateAtOnce
        });
        self.send(&sent);
    }

    fn erase(&mut self, shop: usize) {
        let now = self.now();
        if !self.network.state().queues[&Line::Ingest].is_empty() {
            self.fault_counts(Fault::ErasureBesideIngest);
        }
        if !self.is_swept() {
            self.fault_counts(Fault::ErasureBesideSweep);
        }
        let sent = self.shops[shop].erasure(&mut self.dice, now);
        self.send(&sent);
    }

    async fn wait(&mut self) {
        let zone = self.network.zones().named(self.shops[0].zone).unwrap();
        let now = self.network.instant();
        let midnight = zone.midnight(zone.day(now).next()).millis() - now.millis();
        let millis = match self.dice.below(12) {
            0..=3 => self.dice.between(1, 40) * MINUTE,
            4..=8 => midnight + self.dice.between(-3, 200) * SECOND,
            9 => self.dice.between(1, 9) * DAY,
            10 => self.dice.between(20, 70) * DAY,
            _ => {
                zone.midnight(Day::new_year(zone.day(now).year() + 1)).millis() - now.millis()
                    + self.dice.between(0, 200) * SECOND
            }
        };
        if zone.day(now).year() < zone.day(now.plus_millis(millis)).year() {
            self.fault_counts(Fault::YearEdge);
        }
        // A storm does not last for days: it comes back when something happens.
        let weather = self.network.state().weather;
        if millis > HOUR {
            self.network.state().weather = Weather::CALM;
        }
        self.pass(millis.max(1)).await;
        self.network.state().weather = weather;
        self.tick();
    }

    fn tick(&mut self) {
        if self.dice.chance(150) {
            self.fault_counts(Fault::LostTick);
            return;
        }
        let network = Arc::clone(&self.network);
        self.workers.push(tokio::spawn(async move {
            // A failed invocation is repeated.
            for _ in 0..3 {
                if Sweeping::start(&network).tick().await {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        }));
    }

    fn hourly(&mut self) {
        let network = Arc::clone(&self.network);
        self.workers.push(tokio::spawn(async move {
            Relaying::start(&network).pass().await;
        }));
    }

    /// Changes the weather.
    fn turn(&mut self) {
        let dice = &mut self.dice;
        let slow = dice.below(60);
        let calm = Weather { slow, ..Weather::CALM };
        let weather = match dice.below(10) {
            0 => calm,
            1 => Weather { throttled: 10 * (1 + dice.below(99)), ..calm },
            2 => Weather { crash: 5 + dice.below(150), ..calm },
            3 => Weather { lost: 5 + dice.below(300), ..calm },
            4 => Weather { conflict: 100 + dice.below(700), ..calm },
            5 => Weather { partial: 500, short: 500, stale: 500, ..calm },
            6 => Weather { disorder: 400, ..calm },
            7 => Weather { slow: SECOND.unsigned_abs() * (1 + dice.below(12)), ..calm },
            _ => Weather {
                throttled: dice.below(100),
                server_error: dice.below(60),
                lost: dice.below(80),
                conflict: dice.below(100),
                partial: dice.below(200),
                short: dice.below(200),
                stale: dice.below(300),
                crash: dice.below(40),
                disorder: dice.below(300),
                slow,
            },
        };
        self.network.state().weather = weather;
    }

    /// Writes an item as a newer release would, which this one does not know how to read.
    fn write_newer(&mut self) {
        if self.newer.is_some() {
            return;
        }
        let now = self.now();
        let mut state = self.network.state();
        let members: Vec<Item> = state
            .tables
            .items(&tables().members)
            .filter(|item| item.contains_key("body"))
            .map(|item| (**item).clone())
            .collect();
        let Some(was) = members
            .get(self.dice.place(members.len()))
            .filter(|item| !item["sk"]["S"].as_str().unwrap_or_default().contains('\t'))
        else {
            return;
        };
        let mut newer = was.clone();
        newer["body"] = json!({ "B": "/v7+/v4=" });
        raise(&mut newer, 1);
        state.tables.put(&tables().members, newer.clone(), now);
        state.fault_counts.hit(Fault::NewerItem);
        drop(state);
        (self.newer, self.had_newer) = (Some((was.clone(), newer)), true);
    }

    /// Writes the item as this release reads it. No process may have touched it meanwhile.
    pub(super) fn write_older(&mut self) -> Result<(), InvariantViolation> {
        let Some((mut was, newer)) = self.newer.take() else { return Ok(()) };
        let now = self.now();
        let mut state = self.network.state();
        let key = |item: &Item| (item["pk"].clone(), item["sk"].clone());
        let is =
            state.tables.items(&tables().members).find(|item| key(item) == key(&newer)).map(|item| (**item).clone());
        let is_forgotten = is.as_ref().is_some_and(|is| is.contains_key("erased_at"));
        if is.as_ref() != Some(&newer) && !is_forgotten {
            return Err(format!("an item that a newer release wrote was overwritten: {is:?}"));
        }
        if !is_forgotten {
            raise(&mut was, 2);
            state.tables.put(&tables().members, was, now);
        }
        Ok(())
    }

    /// Asks the API for a standing: it answers with what is stored, or tells the caller to come again.
    async fn ask(&mut self, shop: usize) -> Result<(), InvariantViolation> {
        let shop = self.shops[shop].id.clone();
        let id = MemberId::new(&format!("a-member-{}", self.dice.below(4))).unwrap();
        let as_of = self.network.instant().plus_millis(self.dice.between(-20, 20) * DAY);
        let root = key::member(self.store.tables().spread, &shop, &id);
        let root = (root.pk, root.sk);
        // The visible item. Below it is compared with the latest one: writes of an unfinished transaction are not visible yet.
        let before = self.network.state().tables.seen(&tables().members, &root, self.now());
        let path = format!("/v1/members/{id}?as_of={as_of}");
        let asked_at = self.now();
        let (status, said) = match self.api.ask(&shop, "GET", &path, None).await {
            Ended::Answered((status @ (200 | 404 | 503), said)) => (status, said),
            Ended::Answered((status, said)) => return Err(format!("the API answers {status}: {said}")),
            Ended::Gone => {
                self.api = Answering::start(&self.network, Role::Api);
                return Ok(());
            }
        };
        // If the member or the program changed meanwhile, either answer is right.
        let is = self.network.state().tables.seen(&tables().members, &root, i64::MAX);
        let is_settled = before == is && asked_at - self.published_at > 30 * SECOND;
        if status == 503 || !is_settled {
            return Ok(());
        }
        match oracle::stored_standing(self, &shop, &id, as_of).await? {
            Some(expected) if status != 200 || said != expected => {
                Err(format!("{id}: as of {as_of} the API answers {status} {said} in place of {expected}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Compares everything with the expected state.
    ///
    /// # Errors
    /// Says what does not hold.
    pub async fn check(&mut self) -> Result<(), InvariantViolation> {
        let dice = &mut self.dice.split();
        for shop in &self.shops {
            oracle::check(self, shop, dice).await.map_err(|broken| format!("{}: {broken}", shop.id))?;
        }
        oracle::check_bytes(self)?;
        self.network.state().miscounted.take().map_or(Ok(()), Err)
    }

    /// Stops all workers.
    pub fn close(&mut self) {
        self.workers.iter().for_each(JoinHandle::abort);
    }
}

fn raise(item: &mut Item, by: u64) {
    let version: u64 = item["v"]["N"].as_str().and_then(|n| n.parse().ok()).unwrap_or_default();
    item["v"] = json!({ "N": (version + by).to_string() });
}
