//! `echelon serve`: the whole system on this machine.

mod demo;
mod shops;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::publishing::DEFAULT_AUTHOR;
use engine::sweep::sweep_again;
use http_api::authenticate::AuthMode;
use http_api::caller::{Caller, Scope};
use http_api::shopify::Secret;
use http_api::token::{MemberToken, TokenKey};
use local::guard::Guard;
use local::health::{Pulse, supervised};
use local::http::{Doors, Origin};
use local::lines::say_aside;
use local::listen::{Limits, listen};
use local::opened::Opened;
use local::outward::{Outward, Shown, Webhook, announce};
use local::shopify::Shopify;
use local::signals::Signals;
use local::sweeper::sweep;
use local::time::{Move, Time};
use local::watch::{behind, in_words, latest};
use local::worker::work;
use local::{System, http, tokens};
use rules::calendar::Instant;
use rules::version::Versions;
use store::shop::ShopId;
use store::{BroughtForward, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::CommandError;
use crate::location::StoreLocation;
use crate::output::{Format, say, warn};

/// Runs the whole system on this machine: events in over HTTP, tiers kept, changes announced
///
/// Everything is in one file (./echelon.db), or behind a DynamoDB endpoint. An event is accepted only when it is on
/// disk. Whatever happens to the process, the event is ingested once, however often it is sent. Each change of a tier
/// is printed as it goes out, and posted to a webhook if you give one.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    place: StoreLocation,

    /// The address to listen on; port 0 takes a free one, and the first line printed names it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8700")]
    listen: SocketAddr,

    /// A program to put in force now, unless it is in force already: the shop's first version, or the next one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// The options of a next version, as in `program.published`: '{"while_active": true, "demotions": "hold"}'
    #[arg(long, value_name = "JSON", requires = "program", default_value = "{}")]
    options: String,

    /// The shop of events that name none, and of --program. Webhooks of Shopify name their own, such as
    /// acme.myshopify.com
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// Posts every outgoing event to this URL, again and again until it is answered with success
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,

    /// Signs what is posted to the webhook, so that the receiver can verify the sender: 16 bytes or more.
    /// docs/operations/webhooks.md says how a receiver checks it
    #[arg(long, value_name = "SECRET", env = WEBHOOK_SECRET, hide_env_values = true)]
    webhook_secret: Option<String>,

    /// The value of the header `Authorization` for the webhook, such as 'Bearer TOKEN'
    #[arg(long, value_name = "VALUE", env = WEBHOOK_AUTHORIZATION, hide_env_values = true)]
    webhook_authorization: Option<String>,

    /// The secret that Shopify signs webhooks with, 16 bytes or more; unsigned ones are then refused. Better given as
    /// ECHELON_SHOPIFY_SECRET: arguments can be read by every user of the machine
    #[arg(long, value_name = "SECRET", env = SHOPIFY_SECRET, hide_env_values = true)]
    shopify_secret: Option<String>,

    /// A shop whose webhooks are accepted, such as acme.myshopify.com; several times for several. Without it, those of
    /// shops that have a program: Shopify's signature does not cover the shop
    #[arg(long, value_name = "DOMAIN", requires = "shopify_secret")]
    shopify_shop: Vec<String>,

    /// Another name of a shop, such as acme.myshopify.com=acme; several times for several. What comes under that name is
    /// about the shop
    #[arg(long, value_name = "NAME=SHOP")]
    alias: Vec<String>,

    /// Requires no token: every caller that reaches the address may do anything. It is meant for programs on this
    /// machine: it answers only as localhost or by address, and to no web page
    #[arg(long)]
    open: bool,

    /// With --open: other machines may reach it, too
    #[arg(long, requires = "open")]
    open_to_the_network: bool,

    /// With --open: another host name of this system, such as that of a container
    #[arg(long, value_name = "NAME", requires = "open")]
    host: Vec<String>,

    /// The key that tokens are signed with, 32 bytes or more, so that they last beyond this run; `echelon token` makes
    /// them. Without it, a key is generated at each start, with a token. Better given as ECHELON_TOKEN_KEY: arguments
    /// can be read by every user of the machine
    #[arg(long, value_name = "KEY", env = TOKEN_KEY, hide_env_values = true)]
    token_key: Option<String>,

    /// The previous key, whose tokens are still accepted: so a key is replaced without ending them all at once
    #[arg(long, value_name = "KEY", env = TOKEN_KEY_BEFORE, hide_env_values = true)]
    token_key_before: Option<String>,

    /// An origin whose web pages may send requests, such as `https://shop.example.com`; several times for several
    #[arg(long, value_name = "ORIGIN", value_parser = Origin::parse)]
    cors: Vec<Origin>,

    /// The time at the start: an instant such as 2026-12-31T23:59:50Z, or a step ahead such as +30d
    #[arg(long, value_name = "TIME", conflicts_with = "demo")]
    clock: Option<String>,

    /// Lets POST /clock move the time, which is useful for trials; moved time never goes back. Implied by --clock and
    /// --demo
    #[arg(long)]
    movable_clock: bool,

    /// Starts even if something was recorded at a later time than the clock says: that clock was wrong, and this one is
    /// right
    #[arg(long, conflicts_with = "clock")]
    trust_clock: bool,

    /// Fills a made-up shop through the same API and shows it working. Without --data it is gone when you stop
    #[arg(long, conflicts_with = "program")]
    demo: bool,

    /// The form of outgoing events and of the log: lines for people, or JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

const AFTER: &str = "\
A session:
  echelon serve --demo                       three years of a shop, then yours to try

  echelon programs smile-revenue-calendar-year > vip.json
  echelon serve --program vip.json --shop acme
  export ECHELON_TOKEN=…            as it was printed; to run it for good, give a
                                    key and make tokens with `echelon token`
  alias ask='curl -H \"Authorization: Bearer $ECHELON_TOKEN\"'
  ask http://127.0.0.1:8700/v1/facts --json '{\"type\": \"order.paid\",
       \"member_id\": \"anna\", \"order_id\": \"1001\", \"total\": \"520.00\",
       \"occurred_at\": \"2026-11-05T10:00:00Z\"}'
  ask http://127.0.0.1:8700/v1/members/anna/explain

What can be asked; http://127.0.0.1:8700/docs shows all of it:
  GET  /v1/members/ID            a member's standing; /explain says why. An ID
                                 with a slash is ~ and its base64url
  POST /v1/facts                 facts, taken in before the answer comes
  GET  /v1/program/versions      every version, by whom, when and why
  POST /v1/program/preview       what publishing would do to members
  GET  /v1/jobs                  midnights and changes of rules: how far
  GET  /v1/quarantine            what can never succeed as it is, and why
  POST /v1/quarantine/replay     tries it again
And on one machine only:
  POST /events                   an event, an array, or one per line; or a
                                 webhook of Shopify's. 202: it is on disk
  GET  /health                   the time, the time zones, what waits and came in
  GET  /metrics                  the same for Prometheus
  POST /clock                    with --movable-clock: {\"now\": \"+30d\"}
  POST /dead-letters/replay      tries again what failed too often
  GET  /tokens                   tokens of staff; DELETE /tokens/ID ends one
  POST /backup                   a copy of everything, for `echelon backup`
With several shops say which: ?shop=NAME, or the header X-Echelon-Shop.

Outgoing events go out at least once, with an id that tells repeats. Sending an
event twice changes nothing. Ctrl-C ends it; so may anything else.";

/// The default file. A demonstration without --data leaves nothing behind.
const DATA: &str = "echelon.db";
/// The validity of the token for a generated key. It ends with the process, whose time can be moved, so it is long.
const TOKEN_MS: i64 = 100 * 365 * 24 * 60 * 60 * 1_000;
/// The target under which the SDK logs connections that are to be closed.
const NO_CONNECTION: &str = "aws_smithy_runtime::client::http::connection_poisoning";
/// The exit code that shells use for an interrupted command.
const ASKED_TWICE: i32 = 130;
const SHOPIFY_SECRET: &str = "ECHELON_SHOPIFY_SECRET";
const TOKEN_KEY: &str = "ECHELON_TOKEN_KEY";
const TOKEN_KEY_BEFORE: &str = "ECHELON_TOKEN_KEY_BEFORE";
const WEBHOOK_SECRET: &str = "ECHELON_WEBHOOK_SECRET";
const WEBHOOK_AUTHORIZATION: &str = "ECHELON_WEBHOOK_AUTHORIZATION";
/// The time for which unfinished requests are waited for at the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Runs the command.
///
/// # Errors
/// If the store cannot be opened, the address is taken, or the program cannot be put in force.
pub fn run(args: &Args) -> Result<(), CommandError> {
    // A store in this process has no connection that could be closed.
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target(NO_CONNECTION, LevelFilter::OFF);
    let log = tracing_subscriber::fmt::layer().with_writer(say_aside().clone()).with_target(false);
    let log = match args.format {
        Format::Text => log.with_ansi(std::io::stderr().is_terminal()).boxed(),
        Format::Json => log.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let _ = tracing_subscriber::registry().with(log.with_filter(targets)).try_init();
    runtime()?.block_on(serve(args))
}

/// The runtime of commands that wait for other systems.
///
/// # Errors
/// If the system provides no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| CommandError::input(format!("no threads to run on: {error}")))
}

async fn serve(args: &Args) -> Result<(), CommandError> {
    let (secret, key) = (secret(args)?, token_key(args)?);
    if args.open && !args.listen.ip().is_loopback() && !args.open_to_the_network {
        return Err(CommandError::input(format!(
            "--open: {} can be reached from other machines, and every caller there would have full access: listen on 127.0.0.1, \
             take tokens, or say --open-to-the-network",
            args.listen
        )));
    }
    let (webhook_secret, authorization) =
        (given(&args.webhook_secret, WEBHOOK_SECRET), given(&args.webhook_authorization, WEBHOOK_AUTHORIZATION));
    let webhook = args.webhook.as_deref().map(|url| Webhook::new(url, webhook_secret, authorization)).transpose();
    let webhook = webhook.map_err(CommandError::input)?;
    let time = Time::default();
    if let Some(at) = &args.clock {
        time.start(Move::parse(at).map_err(|what| CommandError::input(format!("--clock: {what}")))?);
    }
    time.datable().map_err(|error| CommandError::input(format!("the clock: {error}")))?;
    let shop = args.shop.as_deref().map(ShopId::new).transpose();
    let shop = shop.map_err(|error| CommandError::input(format!("--shop: {error}")))?;
    let mut place = args.place.clone();
    if place.is_nowhere() && !args.demo {
        place.data = Some(PathBuf::from(DATA));
    }
    let mut opened = place.open_or_new().await?;
    let aliases = shops::aliases(&args.alias, &opened.store).await?;
    opened.store = opened.store.with_aliases(aliases);
    place.look_through(&opened).await?;
    right_time(args, &place, &opened, &time).await?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener
        .map_err(|error| CommandError::input(format!("--listen: {}: {error}; name another address", args.listen)))?;
    let address = listener.local_addr().map_err(|error| CommandError::input(format!("--listen: {error}")))?;
    let shop = shop.map(|shop| opened.store.shop_named(shop));
    let shop = shops::publish(args, &opened, &time, shop).await?;
    let shop = if args.demo { shop.or_else(|| ShopId::new(demo::SHOP).ok()) } else { shop };
    let (auth, token) = auth(args, key, time.now());
    let meant = |name: &String| ShopId::new(name).map(|shop| opened.store.shop_named(shop));
    let shops = args.shopify_shop.iter().map(meant).collect::<Result<_, _>>();
    let shops = shops.map_err(|error| CommandError::input(format!("--shopify-shop: {error}")))?;
    let shopify = secret.map(|secret| Shopify { secret, shops, turn: Arc::default() });
    let system = Arc::new(System::new(opened, time, shop, shopify, auth));
    tokens::load(&system).await.map_err(CommandError::input)?;
    // Installed before the first line says that it listens, because its reader may ask the process to end at once.
    let signals = Signals::taken().map_err(|error| CommandError::input(format!("signals cannot be taken: {error}")))?;
    say(&format!("listening on http://{address}, with everything in {}; Ctrl-C ends it", place.name()));
    say(&format!("this is echelon {}", *crate::VERSION));
    match &token {
        Some(token) => {
            let until = "until this process ends";
            say(&format!(
                "requests need a token; this one has full access {until}:\n\n  export ECHELON_TOKEN={token}\n"
            ));
        }
        None if args.open => {
            warn(true, &format!("--open: every caller who reaches {address} has full access, without a token"))
        }
        None => say("requests need a token; `echelon token`, with the same key, makes one"),
    }
    if !args.demo && system.store.shops().await.map_err(CommandError::input)?.is_empty() {
        let remedy = "events are quarantined until `echelon publish --program FILE --shop NAME` gives one";
        warn(false, &format!("no shop has a program yet: {remedy}"));
    }
    let shown = match args.format {
        Format::Text => Shown::Text,
        Format::Json => Shown::Json,
    };
    let outward = Outward::new(webhook, shown);
    run_until_told(args, listener, &address.to_string(), token, &system, outward, signals).await
}

/// Refuses a clock that is behind what is on record, because records would then be in the future. A demonstration
/// continues from where it was.
async fn right_time(args: &Args, place: &StoreLocation, opened: &Opened, time: &Time) -> Result<(), CommandError> {
    let latest = latest(&opened.store, &opened.queues).await.map_err(CommandError::input)?;
    let (Some(latest), Some(behind)) = (latest, behind(time.now(), latest)) else { return Ok(()) };
    if args.demo {
        time.start(Move::To(latest));
        return Ok(());
    }
    let (name, now, ahead) = (place.name(), time.now(), in_words(behind));
    if args.trust_clock {
        let what = "what was recorded ahead of the clock is left behind";
        warn(true, &format!("--trust-clock: {name} was in use until {latest}, {ahead} after {now}: {what}"));
        let shops = opened.store.shops().await.map_err(CommandError::input)?;
        let requests = opened.store.bring_requests_forward(&shops, now).await.map_err(CommandError::input)?;
        if requests > 0 {
            let what = "deletions and erasures that were asked for ahead of the clock count as asked for now";
            warn(true, &format!("--trust-clock: {requests} {what}"));
        }
        for shop in shops {
            sweep_again(&opened.store, &shop, now).await.map_err(CommandError::input)?;
            bring_forward(&opened.store, &shop, latest, now).await?;
        }
        return opened.queues.note_time(now).await.map_err(CommandError::input);
    }
    Err(CommandError::input(format!(
        "the clock says {now}, but {name} was in use until {latest}, {ahead} later. If its time was moved, go on with \
         --clock {latest}; if this clock is wrong, set it; if that one was, use --trust-clock"
    )))
}

/// Makes a shop's versions that took effect by a clock that was ahead take effect from now on.
async fn bring_forward(store: &Store, shop: &ShopId, latest: Instant, now: Instant) -> Result<(), CommandError> {
    let brought = store.bring_forward(shop, latest, now).await.map_err(CommandError::input)?;
    for BroughtForward { number, from, to } in brought {
        let what = format!("version {number} of shop `{shop}` took effect at {from} by the clock that was ahead");
        warn(true, &format!("--trust-clock: {what}; it takes effect at {to} instead"));
    }
    let versions = store.versions(shop).await.map_err(CommandError::input)?;
    for waits in
        versions.iter().flat_map(Versions::iter).filter(|version| version.number > 1 && version.effective_at > now)
    {
        let what = format!("version {} of shop `{shop}` waits to take effect at {}", waits.number, waits.effective_at);
        warn(true, &format!("--trust-clock: {what}; `echelon publish --withdraw` takes the last one back"));
    }
    Ok(())
}

/// The given value. A variable that is set to an empty text counts as not set, because settings files have such lines
/// without meaning them.
fn given<'a>(value: &'a Option<String>, variable: &str) -> Option<&'a str> {
    let value = value.as_deref()?;
    if value.is_empty() && std::env::var_os(variable).is_some_and(|value| value.is_empty()) {
        warn(false, &format!("{variable} is empty and is ignored"));
        return None;
    }
    Some(value)
}

/// The secret that Shopify signs with.
fn secret(args: &Args) -> Result<Option<Secret>, CommandError> {
    let secret = given(&args.shopify_secret, SHOPIFY_SECRET).map(Secret::new).transpose();
    secret.map_err(|error| CommandError::input(format!("--shopify-secret: {error}")))
}

/// The key that tokens are signed with, if one is given.
fn token_key(args: &Args) -> Result<Option<TokenKey>, CommandError> {
    let key = |given: Option<&str>, option| {
        let key = given.map(TokenKey::new).transpose();
        key.map_err(|error| CommandError::input(format!("{option}: {error}; `openssl rand -hex 32` makes one")))
    };
    let now = key(given(&args.token_key, TOKEN_KEY), "--token-key")?;
    match (now, key(given(&args.token_key_before, TOKEN_KEY_BEFORE), "--token-key-before")?) {
        (Some(now), Some(before)) => Ok(Some(now.after(before))),
        (None, Some(_)) => {
            Err(CommandError::input("--token-key-before: there is no key after it: give --token-key too"))
        }
        (now, None) => Ok(now),
    }
}

/// The mode of authentication; and a token if the key is generated, since otherwise no caller could have one. The token
/// ends with the key.
fn auth(args: &Args, key: Option<TokenKey>, now: Instant) -> (AuthMode, Option<String>) {
    match key {
        Some(key) if args.open => (AuthMode::Open(key), None),
        Some(key) => (AuthMode::Tokens(key), None),
        None if args.open => (AuthMode::Open(TokenKey::made_up()), None),
        None => {
            let key = TokenKey::made_up();
            let MemberToken { token, .. } = key.sign(&full_access(), now.plus_millis(TOKEN_MS));
            (AuthMode::Tokens(key), Some(token))
        }
    }
}

/// A caller that may do anything in any shop.
fn full_access() -> Caller {
    Caller::Staff { shop: None, scope: Scope::Admin, name: DEFAULT_AUTHOR.to_owned() }
}

/// Runs the server, the worker and the announcer until Ctrl-C. They end in the order in which work flows.
async fn run_until_told(
    args: &Args,
    listener: TcpListener,
    address: &str,
    token: Option<String>,
    system: &Arc<System>,
    outward: Outward,
    mut signals: Signals,
) -> Result<(), CommandError> {
    let (stop_serving, serving) = watch::channel(false);
    let (stop_working, working) = watch::channel(false);
    let (stop_announcing, announcing) = watch::channel(false);
    let worker = tokio::spawn(part(Arc::clone(system), "ingest", working.clone(), |it| &it.health.worker, work));
    let tokens = tokio::spawn(tokens::keep(Arc::clone(system), working.clone()));
    let sweeper = tokio::spawn(part(Arc::clone(system), "sweeps", working, |it| &it.health.sweeper, sweep));
    let outward = Arc::new(outward);
    let announces = move |system, stop| announce(system, Arc::clone(&outward), stop);
    let announcer =
        tokio::spawn(part(Arc::clone(system), "announcements", announcing, |it| &it.health.announcer, announces));
    let guard = args.open.then(|| Guard {
        names: args.host.iter().map(|name| name.to_ascii_lowercase()).collect(),
        origins: args.cors.iter().map(|origin| origin.as_str().to_owned()).collect(),
    });
    let movable_clock = args.movable_clock || args.demo || args.clock.is_some();
    let router = http::router(Arc::clone(system), Doors { origins: args.cors.clone(), guard, movable_clock });
    let served = tokio::spawn(listen(listener, router, Limits::default(), serving));
    let shown =
        if args.demo { Some(tokio::spawn(demo::show(Arc::clone(system), address.to_owned(), token))) } else { None };
    let ended = async {
        match shown {
            Some(shown) => match shown.await {
                Ok(Ok(())) => std::future::pending().await,
                Ok(Err(failure)) => failure,
                Err(error) => CommandError::input(error),
            },
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        () = signals.asked_to_end() => Ok(()),
        failure = ended => Err(failure),
    };
    say("ending: what was accepted and is not taken in yet waits in the store");
    tokio::spawn(async move {
        signals.asked_to_end().await;
        // An operator who asks twice does not want to wait. Unfinished work is done at the next start.
        std::process::exit(ASKED_TWICE);
    });
    let _ = stop_serving.send(true);
    let _ = tokio::time::timeout(FAREWELL, served).await;
    let _ = stop_working.send(true);
    let _ = worker.await;
    let _ = sweeper.await;
    let _ = tokens.await;
    let _ = stop_announcing.send(true);
    let _ = tokio::time::timeout(FAREWELL, announcer).await;
    outcome
}

/// Runs a part of a system until it stops. A part that breaks off is restarted.
async fn part<F>(
    system: Arc<System>,
    name: &'static str,
    stop: watch::Receiver<bool>,
    pulse: impl Fn(&System) -> &Arc<Pulse>,
    run: impl Fn(Arc<System>, watch::Receiver<bool>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let pulse = Arc::clone(pulse(&system));
    supervised(name, &pulse, stop.clone(), || run(Arc::clone(&system), stop.clone())).await;
}
