//! `echelon serve`: the whole system on this machine.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rules::calendar::Instant;
use serde_json::Value;
use service::change::{Published, Rules, SOMEBODY, Wanted, What};
use service::shop::ShopId;
use service::store::only_shop;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use web::caller::{Caller, Scope};
use web::door::Door;
use web::token::{MemberToken, TokenKey};

use crate::failure::Failure;
use crate::input;
use crate::output::{Format, warn};
use crate::serve::outward::{Outward, Webhook, announce};
use crate::serve::place::{Opened, Place};
use crate::serve::sweeper::sweep;
use crate::serve::time::{Move, Time};
use crate::serve::worker::work;
use crate::serve::{System, demo, http};

/// Runs the whole system on this machine: events in over HTTP, tiers kept, changes announced
///
/// Everything is in one file (./echelon.db), or behind a DynamoDB endpoint. An event is accepted only when it is on
/// disk, and whatever happens to the process, it is taken in: once, however often it is sent. Each change of a tier is
/// printed as it goes out, and posted to a webhook if you give one.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    place: Place,

    /// Where to listen; port 0 takes a free one, and the first line printed names it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8700")]
    listen: SocketAddr,

    /// A program to put in force now, if it is not already: the shop's first version, or the next one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// What the publisher of a next version says, as in `program.published`: '{"while_active": true, "demotions": "hold"}'
    #[arg(long, value_name = "JSON", requires = "program", default_value = "{}")]
    options: String,

    /// The shop that events are about which name none, and whose program is given. Webhooks of Shopify name their own,
    /// such as acme.myshopify.com
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// Posts every outgoing event there, again and again until it is answered with success
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,

    /// Signs what is posted to the webhook, so that it can tell whom it is from: 16 bytes or more.
    /// docs/operations/webhooks.md says how a receiver looks at it
    #[arg(long, value_name = "SECRET", env = "ECHELON_WEBHOOK_SECRET", hide_env_values = true)]
    webhook_secret: Option<String>,

    /// What the webhook is sent as the header `Authorization`, such as 'Bearer TOKEN'
    #[arg(long, value_name = "VALUE", env = "ECHELON_WEBHOOK_AUTHORIZATION", hide_env_values = true)]
    webhook_authorization: Option<String>,

    /// The secret that Shopify signs webhooks with; unsigned ones are then refused
    #[arg(long, value_name = "SECRET", env = "ECHELON_SHOPIFY_SECRET", hide_env_values = true)]
    shopify_secret: Option<String>,

    /// Asks nobody for a token: whoever reaches the address may do anything
    #[arg(long)]
    open: bool,

    /// The key that tokens are signed with, 32 bytes or more, so that they last beyond this run; `echelon token` makes more.
    /// Without it, one is made up at each start
    #[arg(long, value_name = "KEY", env = "ECHELON_TOKEN_KEY", hide_env_values = true)]
    token_key: Option<String>,

    /// A web page of this origin may ask, such as `https://shop.example.com`; several times for several
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,

    /// What time it is at the start: an instant such as 2026-12-31T23:59:50Z, or a step ahead such as +30d
    #[arg(long, value_name = "TIME", conflicts_with = "demo")]
    clock: Option<String>,

    /// Fills a made-up shop through the same door and shows it working. Without --data it is gone when you stop
    #[arg(long, conflicts_with = "program")]
    demo: bool,

    /// How outgoing events are shown: a line for people, or JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

const AFTER: &str = "\
A session:
  echelon serve --demo                       three years of a shop, then yours to try

  echelon programs smile-revenue-calendar-year > vip.json
  echelon serve --program vip.json --shop acme
  export ECHELON_TOKEN=…            as it was printed
  alias ask='curl -H \"Authorization: Bearer $ECHELON_TOKEN\"'
  ask http://127.0.0.1:8700/v1/facts --json '{\"type\": \"order.paid\",
       \"member_id\": \"anna\", \"order_id\": \"1001\", \"total\": \"520.00\",
       \"occurred_at\": \"2026-11-05T10:00:00Z\"}'
  ask http://127.0.0.1:8700/v1/members/anna/explain

What can be asked; http://127.0.0.1:8700/docs shows all of it:
  GET  /v1/members/ID            where somebody stands; /explain says why
  POST /v1/facts                 facts, taken in before the answer comes
  GET  /v1/program/versions      every version, by whom, when and why
  POST /v1/program/preview       what publishing would do to members
  GET  /v1/jobs                  midnights and changes of rules: how far
And on one machine alone:
  POST /events                   an event, an array, or one per line; or a
                                 webhook of Shopify's. 202: it is on disk
  GET  /health                   the time, the time zones, what waits and came in
  POST /clock                    {\"now\": \"+30d\"} moves time on
  GET  /quarantine               what can never succeed as it is, and why
  POST /quarantine/replay        tries it again
With several shops say which: ?shop=NAME, or the header X-Echelon-Shop.

Outgoing events go out at least once, with an id that tells repeats. Sending an
event twice changes nothing. Ctrl-C ends it; so may anything else.";

/// A demonstration leaves nothing behind.
const DATA: &str = "echelon.db";
/// The shop of a program that names none.
const SHOP: &str = "shop";
/// The token of the start lasts a hundred years: time can be moved.
const TOKEN_MS: i64 = 100 * 365 * 24 * 60 * 60 * 1_000;
/// Who is still talking when it ends is waited for so long.
const FAREWELL: Duration = Duration::from_secs(5);

/// Runs the command.
///
/// # Errors
/// If the store cannot be opened, the address is taken, or the program cannot be put in force.
pub fn run(args: &Args) -> Result<(), Failure> {
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let log = log.with_ansi(std::io::stderr().is_terminal()).with_filter(LevelFilter::WARN);
    let _ = tracing_subscriber::registry().with(log).try_init();
    runtime()?.block_on(serve(args))
}

/// What commands run on that wait for others.
///
/// # Errors
/// If the system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::input(format!("no threads to run on: {error}")))
}

async fn serve(args: &Args) -> Result<(), Failure> {
    let (secret, authorization) = (args.webhook_secret.as_deref(), args.webhook_authorization.as_deref());
    let webhook = args.webhook.as_deref().map(|url| Webhook::new(url, secret, authorization)).transpose();
    let webhook = webhook.map_err(Failure::input)?;
    let time = Time::default();
    if let Some(at) = &args.clock {
        time.start(Move::parse(at).map_err(|what| Failure::input(format!("--clock: {what}")))?);
    }
    let shop = args.shop.as_deref().map(ShopId::new).transpose();
    let shop = shop.map_err(|error| Failure::input(format!("--shop: {error}")))?;
    let mut place = args.place.clone();
    if place.is_nowhere() && !args.demo {
        place.data = Some(PathBuf::from(DATA));
    }
    let opened = place.open().await?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener
        .map_err(|error| Failure::input(format!("--listen: {}: {error}; name another address", args.listen)))?;
    let address = listener.local_addr().map_err(|error| Failure::input(format!("--listen: {error}")))?;
    let shop = publish(args, &opened, &time, shop).await?;
    let shop = if args.demo { shop.or_else(|| ShopId::new(demo::SHOP).ok()) } else { shop };
    let (door, token) = door(args, time.now())?;
    let system = Arc::new(System::new(opened, time, shop, args.shopify_secret.clone(), door));
    eprintln!("listening on http://{address}, with everything in {}; Ctrl-C ends it", place.name());
    eprintln!("this is echelon {}", *crate::VERSION);
    match &token {
        Some(token) => {
            eprintln!("whoever asks needs a token; this one may do anything:\n\n  export ECHELON_TOKEN={token}\n")
        }
        None => {
            warn(true, &format!("--open: whoever reaches {address} may do anything, and nobody is asked for a token"))
        }
    }
    let outward = Outward::new(webhook, args.format);
    run_until_told(args, listener, &address.to_string(), token, &system, outward).await
}

/// Who may come in, and the token that the start tells.
fn door(args: &Args, now: Instant) -> Result<(Door, Option<String>), Failure> {
    let made_up =
        || [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(|id| id.to_string()).concat();
    let key = TokenKey::new(args.token_key.clone().unwrap_or_else(made_up));
    let key = key.map_err(|error| Failure::input(format!("--token-key: {error}")))?;
    if args.open {
        return Ok((Door::Open(key), None));
    }
    let MemberToken { token, .. } = key.sign(&somebody(), now.plus_millis(TOKEN_MS));
    Ok((Door::Tokens(key), Some(token)))
}

/// Who may do anything in any shop.
fn somebody() -> Caller {
    Caller::Staff { shop: None, scope: Scope::Admin, name: SOMEBODY.to_owned() }
}

/// The server, the worker and what announces, until Ctrl-C; in the end in the order in which work flows.
async fn run_until_told(
    args: &Args,
    listener: TcpListener,
    address: &str,
    token: Option<String>,
    system: &Arc<System>,
    outward: Outward,
) -> Result<(), Failure> {
    let (stop_serving, serving) = watch::channel(false);
    let (stop_working, working) = watch::channel(false);
    let (stop_announcing, announcing) = watch::channel(false);
    let worker = tokio::spawn(work(Arc::clone(system), working.clone()));
    let sweeper = tokio::spawn(sweep(Arc::clone(system), working));
    let announcer = tokio::spawn(announce(Arc::clone(system), outward, announcing));
    let router = http::router(Arc::clone(system), &args.cors)?;
    let served = tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(told(serving)).await });
    let shown =
        if args.demo { Some(tokio::spawn(demo::show(Arc::clone(system), address.to_owned(), token))) } else { None };
    let ended = async {
        match shown {
            Some(shown) => match shown.await {
                Ok(Ok(())) => std::future::pending().await,
                Ok(Err(failure)) => failure,
                Err(error) => Failure::input(error),
            },
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        () = asked_to_end() => Ok(()),
        failure = ended => Err(failure),
    };
    eprintln!("ending: what was accepted and is not taken in yet waits in the store");
    let _ = stop_serving.send(true);
    let _ = tokio::time::timeout(FAREWELL, served).await;
    let _ = stop_working.send(true);
    let _ = worker.await;
    let _ = sweeper.await;
    let _ = stop_announcing.send(true);
    let _ = tokio::time::timeout(FAREWELL, announcer).await;
    outcome
}

async fn told(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Ctrl-C, or what service managers send.
async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Puts the given program in force; yields the shop that is meant where none is named.
async fn publish(args: &Args, opened: &Opened, time: &Time, shop: Option<ShopId>) -> Result<Option<ShopId>, Failure> {
    let Some(path) = &args.program else { return Ok(shop) };
    let (program, _) = input::program(path)?;
    let options: Value =
        serde_json::from_str(&args.options).map_err(|error| Failure::input(format!("--options: {error}")))?;
    let shop = match shop {
        Some(shop) => shop,
        None => {
            let only = only_shop(&opened.store).await.map_err(Failure::input)?;
            only.map_or_else(|| ShopId::new(SHOP).map_err(Failure::input), Ok)?
        }
    };
    let (now, ahead_ms) = (time.now(), 0);
    let (by, why) = ("echelon serve".to_owned(), "given when the system was started".to_owned());
    let wanted = Wanted { what: What::Program(program), options, at: None, by, why };
    let put = Rules { store: &opened.store, shop: &shop, now, ahead_ms }.publish(&wanted).await;
    let Published { version, published, warnings, .. } =
        put.map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    warnings.iter().for_each(|advice| warn(advice.loud, &advice.message));
    let is = if published { "is" } else { "is in force already," };
    eprintln!("{} {is} version {version} of shop `{shop}`", path.display());
    Ok(Some(shop))
}
