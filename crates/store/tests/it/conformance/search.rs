//! Search: each condition alone and together, in order, page by page, and never a stale result.

use std::collections::BTreeSet;
use std::slice;

use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::id::ContextId;
use context_domain::ports::{ContextList, Subtree};
use context_domain::search::{Search, words_of};
use context_domain::tree::Level;
use serde_json::{Value, json};

use super::harness::{HOUR, World, content, done, expiring, ids, numbered};

fn containing(part: Value) -> Search {
    let Value::Object(part) = part else { panic!("a filter is an object") };
    Search { filter: Some(part), ..Search::default() }
}

fn saying(words: &str) -> Search {
    Search { words: words_of(words), ..Search::default() }
}

fn of_type(kind: &str) -> Search {
    Search { context_type: Some(kind.to_owned()), ..Search::default() }
}

fn tagged(tags: &[&str]) -> Search {
    Search { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..Search::default() }
}

async fn page(world: &World, search: &Search, after: Option<&ContextId>, limit: usize) -> Vec<Context> {
    let list = ContextList::Matching { search: Box::new(search.clone()), after: after.cloned() };
    world.page(list, limit).await
}

async fn found(world: &World, search: &Search) -> Vec<ContextId> {
    ids(&page(world, search, None, 1_000).await)
}

pub(crate) async fn each_condition_alone(world: &World) {
    let node = world.create(&["p"], Content { title: Some("Node".to_owned()), ..numbered(1) }).await;
    world.clock.advance(HOUR);
    let free = Content {
        context_type: "log.v1".to_owned(),
        title: Some("Title words".to_owned()),
        description: Some("of a description".to_owned()),
        tags: vec!["a".to_owned(), "b.c".to_owned()],
        user_id: Some("ann 世".to_owned()),
        ..content(json!({"deep": {"list": ["some text", 5]}}))
    };
    let free = world.create_free(free).await;
    world.clock.advance(HOUR);
    let node = world.replace(&node, numbered(2)).await;
    let global = world.global().await;
    let base = Search::default;
    let (all, only_free) = ([&global, &node, &free], [&free]);
    let cases: [(Search, &[&Context]); 18] = [
        (base(), &all),
        (of_type("log.v1"), &only_free),
        (of_type("Log.v1"), &[]),
        (of_type("global"), &[&global]),
        (tagged(&["a"]), &only_free),
        (tagged(&["b.c", "a"]), &only_free),
        (tagged(&["a", "c"]), &[]),
        (Search { user_id: Some("ann 世".to_owned()), ..base() }, &only_free),
        (Search { user_id: Some("ann".to_owned()), ..base() }, &[]),
        (Search { context_level: Some(Level::Project), ..base() }, &[&node]),
        (Search { context_level: Some(Level::Task), ..base() }, &[]),
        (Search { created_after: Some(free.created_at), ..base() }, &only_free),
        (Search { created_before: Some(free.created_at), ..base() }, &[&global, &node]),
        (Search { updated_after: Some(node.updated_at), ..base() }, &[&node]),
        (saying("title OF text"), &only_free),
        (saying("deep"), &[]),
        (containing(json!({"deep": {"list": [5]}})), &only_free),
        (containing(json!({})), &all),
    ];
    for (search, expected) in cases {
        let mut expected: Vec<_> = expected.iter().map(|context| context.id.clone()).collect();
        expected.sort_unstable();
        assert_eq!(found(world, &search).await, expected, "{search:?}");
    }
}

pub(crate) async fn all_conditions_together(world: &World) {
    let full = Content {
        context_type: "log".to_owned(),
        title: Some("Found by all".to_owned()),
        tags: vec!["x".to_owned(), "y".to_owned()],
        user_id: Some("ann".to_owned()),
        ..content(json!({"a": {"b": 1}}))
    };
    world.clock.advance(HOUR);
    let target = world.create(&["p"], full.clone()).await;
    // Each of these differs in one respect.
    world.create(&["p1"], Content { context_type: "lag".to_owned(), ..full.clone() }).await;
    world.create(&["p2"], Content { title: Some("Found by any".to_owned()), ..full.clone() }).await;
    world.create(&["p3"], Content { tags: vec!["x".to_owned()], ..full.clone() }).await;
    world.create(&["p4"], Content { user_id: Some("bob".to_owned()), ..full.clone() }).await;
    world
        .create(
            &["p5"],
            Content { context_data: content(json!({"a": {"b": 2}})).context_data, ..full.clone() },
        )
        .await;
    world.create_free(full.clone()).await;
    world.clock.advance(HOUR);
    world.create(&["p6"], full).await;
    let search = Search {
        context_type: Some("log".to_owned()),
        tags: vec!["y".to_owned(), "x".to_owned()],
        user_id: Some("ann".to_owned()),
        context_level: Some(Level::Project),
        created_after: Some(target.created_at),
        created_before: Some(world.now()),
        updated_after: Some(target.created_at),
        ..saying("all found")
    };
    let filter = containing(json!({"a": {"b": 1}})).filter;
    assert_eq!(found(world, &Search { filter, ..search.clone() }).await, [target.id]);
    let filter = containing(json!({"a": {"b": 3}})).filter;
    assert_eq!(found(world, &Search { filter, ..search }).await, []);
}

pub(crate) async fn words_are_unicode_words(world: &World) {
    let texts =
        ["STRASSE straße", "ΣΊΣΥΦΟΣ", "Cafe\u{301}", "Café", "İstanbul 世界", "don't, can’t: e-mail!"];
    let mut created = Vec::new();
    for text in texts {
        created.push(world.create_free(content(json!({"text": [text]}))).await.id);
    }
    for (words, expected) in [
        ("strasse", &[0][..]),
        ("STRAßE", &[0]),
        ("σίσυφος", &[1]),
        ("Σίσυφος", &[1]),
        ("σίσυφοσ", &[]),
        ("cafe\u{301}", &[2]),
        ("CAFÉ", &[3]),
        ("cafe", &[]),
        ("世", &[4]),
        ("DON'T e mail", &[5]),
        ("don", &[]),
        ("strasse café", &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(|n| created[*n].clone()).collect();
        assert_eq!(found(world, &saying(words)).await, expected, "{words}");
    }
}

pub(crate) async fn containment_is_as_in_jsonb(world: &World) {
    let document = json!({
        "n": 1, "half": 0.5, "big": 1e30, "s": "1", "none": null, "yes": true, "empty": {}, "nothing": [],
        "list": [1, [2], {"a": 1, "b": [{}]}, {"c": 3}, 1],
        "deep": {"er": {"est": "x"}}, "": {"": ""}, "a/b": 1,
    });
    let created = [world.create_free(content(document.clone())).await];
    for part in [
        json!({"n": 1}),
        json!({"half": 0.5}),
        json!({"big": 1e30}),
        json!({"none": null, "yes": true}),
        json!({"list": [1, 1]}),
        json!({"list": [[], {}]}),
        json!({"list": []}),
        json!({"list": [{"c": 3}, [2], {"a": 1}]}),
        json!({"list": [{"b": [{}]}]}),
        json!({"empty": {}, "nothing": [], "deep": {}}),
        json!({"deep": {"er": {}}}),
        json!({"": {"": ""}}),
        document,
    ] {
        assert_eq!(found(world, &containing(part.clone())).await, ids(&created), "{part}");
    }
    for part in [
        json!({"n": "1"}),
        json!({"s": 1}),
        json!({"n": [1]}),
        json!({"list": 1}),
        json!({"list": {}}),
        json!({"list": [{"a": 1, "c": 3}]}),
        json!({"list": [2]}),
        json!({"empty": []}),
        json!({"nothing": {}}),
        json!({"none": {}}),
        json!({"missing": null}),
        json!({"missing": {}}),
        json!({"er": {"est": "x"}}),
        json!({"a": {"b": 1}}),
        json!({"a/b": 1, "yes": false}),
    ] {
        assert_eq!(found(world, &containing(part.clone())).await, [], "{part}");
    }
}

pub(crate) async fn pages_go_on_to_the_end(world: &World) {
    let mut expected = Vec::new();
    for n in 0..40 {
        // Two of three have the leaves of the filter; one of three has them in the element that the filter
        // requires.
        let elements = match n % 3 {
            0 => json!([{"a": 1, "b": 2}]),
            1 => json!([{"a": 1}, {"b": 2}]),
            _ => json!([]),
        };
        let context = world.create_free(content(json!({"list": elements}))).await;
        if n % 3 == 0 {
            expected.push(context.id);
        }
    }
    let search = containing(json!({"list": [{"a": 1, "b": 2}]}));
    for limit in [1, 4, 13, 14, 15] {
        let mut collected = Vec::new();
        loop {
            let page = page(world, &search, collected.last(), limit).await;
            collected.extend(ids(&page));
            if page.len() < limit {
                break;
            }
        }
        assert_eq!(collected, expected, "{limit} on a page");
    }
    let between = ids(&page(world, &search, Some(&expected[4]), 2).await);
    assert_eq!(between, expected[5..7]);
    let gone = world.chain_of(&expected[4]).await.pop().unwrap();
    done(world.run(world.deletion(&gone, Subtree::MustBeEmpty)).await);
    let continued = page(world, &search, Some(&expected[4]), 2).await;
    assert_eq!(ids(&continued), expected[5..7], "the page continues at its place");
    assert_eq!(page(world, &search, None, 0).await, []);
}

pub(crate) async fn the_order_is_that_of_ids_whatever_is_written_first(world: &World) {
    // The ids are made in order, and inserted in another order, many of them between the same two.
    let mut commits: Vec<_> = (0..120).map(|n| world.free_creation(numbered(n % 2))).collect();
    let mut expected = Vec::new();
    let mut turn = 0;
    while !commits.is_empty() {
        turn += 7;
        let commit = match turn % 4 {
            0 => commits.remove(0),
            1 => commits.pop().unwrap(),
            _ => commits.remove(turn % commits.len()),
        };
        let context = done(world.run(commit).await);
        if context.content == numbered(1) {
            expected.push(context.id);
            expected.sort_unstable();
        }
        assert_eq!(found(world, &containing(json!({"n": 1}))).await, expected);
    }
    assert_eq!(expected.len(), 60);
    let behind = page(world, &containing(json!({"n": 1})), Some(&expected[30]), 5).await;
    assert_eq!(ids(&behind), expected[31..36]);
}

pub(crate) async fn ids_inserted_backwards_and_forwards_between_others(world: &World) {
    let outer = [world.free_creation(numbered(1)), world.free_creation(numbered(1))];
    let rising: Vec<_> = (0..150).map(|_| world.free_creation(numbered(1))).collect();
    let falling: Vec<_> = (0..150).map(|_| world.free_creation(numbered(1))).rev().collect();
    let last = [world.free_creation(numbered(1)), world.free_creation(numbered(1))];
    for commit in outer.into_iter().chain(last).chain(rising).chain(falling) {
        done(world.run(commit).await);
    }
    let found = found(world, &containing(json!({"n": 1}))).await;
    assert!(found.is_sorted());
    assert_eq!(found.len(), 304);
}

pub(crate) async fn expired_ones_are_not_found(world: &World) {
    let soon = world.now().saturating_add_micros(HOUR);
    let mut live = Vec::new();
    for n in 0..12 {
        let at = world.now().saturating_add_micros(if n % 4 == 0 { 3 * HOUR } else { HOUR });
        let context = world.create_free(expiring(at)).await;
        if n % 4 == 0 {
            live.push(context.id);
        }
    }
    world.create(&["p"], expiring(soon)).await;
    world.create(&["p", "b", "t"], numbered(0)).await;
    let search = containing(json!({"n": 0}));
    assert_eq!(found(world, &search).await.len(), 14);
    world.clock.advance(HOUR);
    assert_eq!(found(world, &search).await, live);
    assert_eq!(
        ids(&page(world, &search, None, 2).await),
        live[..2],
        "a page is full although others are hidden"
    );
    let branches = Search { context_level: Some(Level::Branch), ..Search::default() };
    assert_eq!(found(world, &branches).await, []);
    // A node that replaces an expired one is found, and the nodes that it removed are not.
    let new = world.create(&["p"], numbered(0)).await;
    live.push(new.id);
    assert_eq!(found(world, &search).await, live);
}

pub(crate) async fn updates_and_deletes_leave_nothing_stale(world: &World) {
    let said = |text: &str| Content { title: Some(text.to_owned()), ..content(json!({"said": text})) };
    let context = world.create(&["p"], said("first")).await;
    let below = world.create(&["p", "b", "t"], said("first")).await;
    assert_eq!(found(world, &saying("first")).await, [context.id.clone(), below.id.clone()]);
    let context = world.replace(&context, Content { tags: vec!["t".to_owned()], ..said("second") }).await;
    assert_eq!(found(world, &saying("first")).await, ids(slice::from_ref(&below)));
    assert_eq!(found(world, &containing(json!({"said": "first"}))).await, ids(slice::from_ref(&below)));
    assert_eq!(found(world, &saying("second")).await, ids(slice::from_ref(&context)));
    assert_eq!(found(world, &tagged(&["t"])).await, ids(slice::from_ref(&context)));
    for n in 0..50 {
        let below = world.chain_of(&below.id).await.pop().unwrap();
        world.replace(&below, said(if n % 2 == 0 { "even" } else { "odd" })).await;
        let (even, odd) = (found(world, &saying("even")).await, found(world, &saying("odd")).await);
        assert_eq!((even.len(), odd.len()), if n % 2 == 0 { (1, 0) } else { (0, 1) });
    }
    done(world.run(world.deletion(&context, Subtree::Remove)).await);
    for word in ["first", "second", "even", "odd"] {
        assert_eq!(found(world, &saying(word)).await, [], "{word}");
    }
    assert_eq!(found(world, &tagged(&["t"])).await, []);
    let again = world.create(&["p", "b"], said("odd")).await;
    assert_eq!(found(world, &saying("odd")).await, [again.id]);
}

pub(crate) async fn a_write_that_was_refused_is_not_found(world: &World) {
    let context = world.create(&["p"], numbered(1)).await;
    let stale = world.replacement(&context, numbered(3));
    world.replace(&context, numbered(2)).await;
    world.run(stale).await;
    world.run(world.creation(&["p"], numbered(4))).await;
    for (n, hits) in [(1, 0), (2, 1), (3, 0), (4, 0)] {
        assert_eq!(found(world, &containing(json!({"n": n}))).await.len(), hits, "{n}");
    }
}

pub(crate) async fn pages_under_concurrent_inserts_miss_nothing_and_repeat_nothing(world: &World) {
    let mut before = BTreeSet::new();
    for _ in 0..60 {
        before.insert(world.create_free(numbered(1)).await.id);
    }
    let writers: Vec<_> = (0..3)
        .map(|_| {
            let commits: Vec<_> = (0..40).map(|_| world.free_creation(numbered(1))).collect();
            let (contexts, tenant) = (world.ports.contexts.clone(), world.tenant.clone());
            tokio::spawn(async move {
                for commit in commits {
                    done(contexts.commit(&tenant, commit).await.unwrap());
                }
            })
        })
        .collect();
    let search = containing(json!({"n": 1}));
    let mut collected: Vec<ContextId> = Vec::new();
    loop {
        let page = page(world, &search, collected.last(), 7).await;
        collected.extend(ids(&page));
        if page.len() < 7 {
            break;
        }
    }
    assert!(collected.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(before.iter().all(|id| collected.contains(id)));
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(found(world, &search).await.len(), 180);
}

pub(crate) async fn searches_without_an_answer(world: &World) {
    world.create_free(numbered(1)).await;
    for search in [
        saying("nothing"),
        containing(json!({"n": 2})),
        tagged(&["none"]),
        Search { created_after: Some(world.now().saturating_add_micros(1)), ..Search::default() },
        Search { words: words_of("nothing"), ..containing(json!({"n": 1})) },
        // No stored text holds a NUL, and not every store can compare with one.
        of_type("\0"),
        tagged(&["note\0"]),
        Search { user_id: Some("\0".to_owned()), ..Search::default() },
        containing(json!({"a": [{"b": "\0"}]})),
        containing(json!({"\0": 1})),
    ] {
        assert_eq!(found(world, &search).await, [], "{search:?}");
    }
    let behind = world.id();
    assert_eq!(page(world, &containing(json!({"n": 1})), Some(&behind), 9).await, []);
}

pub(crate) async fn a_filter_of_very_many_leaves(world: &World) {
    let wide = |last: u32| {
        let members = (0..500).map(|n| (format!("m{n}"), json!([n, {"last": last}])));
        Value::Object(members.collect())
    };
    let id = world.create_free(content(wide(1))).await.id;
    world.create_free(content(wide(2))).await;
    assert_eq!(found(world, &containing(wide(1))).await, [id]);
}
