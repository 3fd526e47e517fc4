//! Measures puts and searches on the embedded store: `cargo run --release -p context-store --example
//! search_bench`.
//!
//! The first argument is the number of contexts of 4 KB (20,000), the second one the folder (a new temporary
//! one). Each search is run for its first page, and for a page from the middle of the ids.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a measurement that fails may panic")]
#![expect(clippy::print_stdout, reason = "the program prints figures")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use context_domain::change::{Operation, Record};
use context_domain::clock::{Clock, SystemClock, Timestamp};
use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::id::{ContextId, IdSource, RandomIds, TenantId};
use context_domain::ports::{Commit, ContextList, ContextQuery, Expect, Op, Outcome};
use context_domain::search::{Search, words_of};
use context_domain::service::Ports;
use context_domain::tree::Level;
use context_store::StoreOptions;
use serde_json::{Map, Value, json};

/// How many of a thousand contexts have each mark.
const MARKS: [(&str, usize); 4] = [("never", 0), ("rare", 1), ("some", 50), ("half", 500)];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(20_000, |text| text.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = arguments.next().map_or(temporary.path().to_owned(), Into::into);
    let options = StoreOptions::new(format!("sqlite:{}", folder.display()).parse().unwrap());
    let ports =
        context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap().ports;
    let bench = Bench { ports, tenant: "default".parse().unwrap() };
    let contexts = bench.fill(count).await;
    println!("{} MB in all files\n", size(&folder) / 1_000_000);
    let middle = contexts.iter().map(|context| &context.id).nth(count / 2).cloned();
    println!("{:34} {:>8} {:>10} {:>10} {:>10}", "search", "limit", "on page", "ms", "ms, middle");
    for (name, search) in searches(&contexts) {
        for limit in [10, 50] {
            let (found, first) = bench.search(&search, None, limit).await;
            let (_, second) = bench.search(&search, middle.clone(), limit).await;
            println!("{name:34} {limit:>8} {found:>10} {first:>10.3} {second:>10.3}");
        }
    }
}

struct Bench {
    ports: Ports,
    tenant: TenantId,
}

impl Bench {
    async fn fill(&self, count: usize) -> Vec<Context> {
        let mut random = Random(7);
        let mut contexts = Vec::with_capacity(count);
        let mut times = Vec::with_capacity(count);
        for n in 0..count {
            let now = SystemClock.now();
            let context = Context {
                id: ContextId::new(RandomIds.uuid()),
                tenant_id: self.tenant.clone(),
                content: content(n, &mut random),
                place: None,
                created_at: now,
                updated_at: now,
                version: 1,
            };
            let (commit, begun) = (creation(context.clone()), SystemClock.now());
            let outcome = self.ports.contexts.commit(&self.tenant, commit).await.unwrap();
            times.push(since(begun));
            assert!(matches!(outcome, Outcome::Done(_)));
            contexts.push(context);
        }
        let total: f64 = times.iter().sum();
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times.get(count * share / 100).copied().unwrap_or(f64::NAN);
        let bytes = contexts.first().map_or(0, |context| context.to_json().to_string().len());
        println!(
            "{count} puts of {bytes} bytes: {:.0}/s, median {:.3} ms, 99 of 100 below {:.3} ms",
            f64::from(u32::try_from(count).unwrap()) * 1_000.0 / total,
            at(50),
            at(99)
        );
        contexts
    }

    /// Runs a search; returns the number of items on the page, and the milliseconds that it took.
    async fn search(&self, search: &Search, after: Option<ContextId>, limit: usize) -> (usize, f64) {
        const ROUNDS: u32 = 10;
        let list = ContextList::Matching { search: Box::new(search.clone()), after };
        let query = ContextQuery { list, live_at: SystemClock.now(), limit };
        let mut found = self.ports.contexts.page(&self.tenant, &query).await.unwrap().len();
        let begun = SystemClock.now();
        for _ in 0..ROUNDS {
            found = self.ports.contexts.page(&self.tenant, &query).await.unwrap().len();
        }
        (found, since(begun) / f64::from(ROUNDS))
    }
}

fn searches(contexts: &[Context]) -> Vec<(String, Search)> {
    let mut searches = vec![("everything".to_owned(), Search::default())];
    for (mark, share) in MARKS {
        let base = Search::default;
        let words: BTreeSet<_> = words_of(&format!("word{mark}"));
        let filter: Option<Map<String, Value>> = json!({"marks": {mark: true}}).as_object().cloned();
        let common = words_of("w0 w1 w2");
        let skipped = contexts.len() - contexts.len() * share / 1_000;
        let time = contexts.get(skipped).map_or_else(|| SystemClock.now(), |context| context.created_at);
        searches.extend([
            (format!("filter, {mark}"), Search { filter: filter.clone(), ..base() }),
            (format!("word, {mark}"), Search { words: words.clone(), ..base() }),
            (format!("word and filter, {mark}"), Search { words: words.clone(), filter, ..base() }),
            (format!("word and common ones, {mark}"), Search { words: &words | &common, ..base() }),
            (format!("tag, {mark}"), Search { tags: vec![mark.to_owned()], ..base() }),
            (format!("type, {mark}"), Search { context_type: Some(mark.to_owned()), ..base() }),
            (format!("user, {mark}"), Search { user_id: Some(mark.to_owned()), ..base() }),
            (format!("created late, {mark}"), Search { created_after: Some(time), ..base() }),
            (format!("updated late, {mark}"), Search { updated_after: Some(time), ..base() }),
            (
                format!("half by tag, created late, {mark}"),
                Search { tags: vec!["half".to_owned()], created_after: Some(time), ..base() },
            ),
        ]);
    }
    let nowhere = json!({"marks": {}, "nowhere": []});
    searches.push(("level".to_owned(), Search { context_level: Some(Level::Global), ..Search::default() }));
    searches.push((
        "filter of empty containers".to_owned(),
        Search { filter: nowhere.as_object().cloned(), ..Search::default() },
    ));
    searches
}

/// About 4 KB: words with the uneven frequencies of natural language, some members, and the marks.
fn content(n: usize, random: &mut Random) -> Content {
    let marks: Vec<_> =
        MARKS.into_iter().filter(|(_, share)| *share > 0 && n.is_multiple_of(1_000 / share)).collect();
    let mut text: Vec<_> = (0..480).map(|_| format!("w{}", random.uneven(20_000))).collect();
    text.extend(marks.iter().map(|(mark, _)| format!("word{mark}")));
    let marked: Map<_, _> = marks.iter().map(|(mark, _)| ((*mark).to_owned(), Value::Bool(true))).collect();
    let parts: Vec<_> =
        text.chunks(60).map(|words| json!({"text": words.join(" "), "n": words.len()})).collect();
    let data = json!({"n": n, "marks": marked, "parts": parts, "settings": {
        "retries": n % 5, "timeout": n % 60,
        "owner": {"team": format!("team{}", n % 20), "on_call": n.is_multiple_of(3)},
    }});
    let Value::Object(context_data) = data else { panic!("the document is an object") };
    let rarest = marks.first().map_or("other", |(mark, _)| mark);
    Content {
        context_data,
        context_type: rarest.to_owned(),
        title: Some(format!("Context number {n}")),
        description: None,
        tags: marks.iter().map(|(mark, _)| (*mark).to_owned()).collect(),
        user_id: Some(rarest.to_owned()),
        expires_at: None,
        inheritance: None,
    }
}

fn creation(context: Context) -> Commit {
    let record = Record { at: context.created_at, by: "bench".to_owned(), request_id: "bench".to_owned() };
    let op = Op::Put { context: Box::new(context), scope: None, operation: Operation::Create };
    Commit { expect: Expect::Absent, ensure_path: None, op, record, idempotency: None }
}

/// Milliseconds since `begun`.
fn since(begun: Timestamp) -> f64 {
    let micros = SystemClock.now().as_micros() - begun.as_micros();
    f64::from(i32::try_from(micros).unwrap()) / 1_000.0
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { size(&path) } else { path.metadata().unwrap().len() }).sum()
}

/// Pseudo-random numbers from a seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A number below `bound`; smaller numbers are more likely.
    fn uneven(&mut self, bound: u64) -> u64 {
        let first = self.below(bound) + 1;
        self.below(first)
    }
}
