//! Random searches over random contexts find the contexts that `Search::matches` accepts.
//!
//! `STORE_SEARCHES` is the number of rounds of writes and searches (40).
#![expect(clippy::disallowed_methods, reason = "the size comes from the environment")]

use context_domain::clock::Timestamp;
use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::ports::{ContextList, Outcome, Subtree};
use context_domain::search::{Search, words_of};
use context_domain::tree::Level;
use serde_json::{Map, Value, json};

use super::harness::{HOUR, World, content, every, ids};
use crate::random::Random;

/// How many writes and how many searches a round has.
const PER_ROUND: usize = 60;
const NAMES: [&str; 5] = ["a", "b", "c", "", "a/b"];
const WORDS: [&str; 8] = ["one", "Two", "THREE", "straße", "STRASSE", "Σίσυφος", "don't", "世界"];

/// Random contents and searches.
impl Random {
    fn text(&mut self) -> String {
        (0..=self.below(2)).map(|_| self.pick(&WORDS)).collect::<Vec<_>>().join(" ")
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => Value::Null,
            1 => Value::Bool(self.one_in(2)),
            2 => json!(self.below(3)),
            3 => json!(0.5),
            4 => Value::String(self.text()),
            5 | 6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object(self.object(depth - 1)),
        }
    }

    fn object(&mut self, depth: usize) -> Map<String, Value> {
        (0..self.below(4)).map(|_| (self.pick(&NAMES).to_owned(), self.value(depth))).collect()
    }

    /// A part of `value`, so that filters often find something.
    fn part(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(members) => Value::Object(self.part_of_object(members)),
            Value::Array(elements) => {
                let mut some = Vec::new();
                for element in elements {
                    if self.one_in(2) {
                        some.insert(0, self.part(element));
                    }
                }
                Value::Array(some)
            }
            scalar => scalar.clone(),
        }
    }

    fn part_of_object(&mut self, members: &Map<String, Value>) -> Map<String, Value> {
        let mut some = Map::new();
        for (name, value) in members {
            if self.one_in(2) {
                some.insert(name.clone(), self.part(value));
            }
        }
        some
    }

    fn content(&mut self, now: Timestamp) -> Content {
        let tags = ["t1", "t2", "t3"].into_iter().filter(|_| self.one_in(3)).map(str::to_owned).collect();
        Content {
            context_type: self.pick(&["note", "log", "one"]).to_owned(),
            title: self.one_in(2).then(|| self.text()),
            description: self.one_in(3).then(|| self.text()),
            tags,
            user_id: self.one_in(2).then(|| self.pick(&["ann", "bob"]).to_owned()),
            expires_at: self.one_in(6).then(|| now.saturating_add_micros(HOUR)),
            ..content(Value::Object(self.object(3)))
        }
    }

    fn search(&mut self, contexts: &[Context], now: Timestamp) -> Search {
        let context = &contexts[self.below(contexts.len())];
        let ago = |hours: usize| now.saturating_add_micros(-HOUR * i64::try_from(hours).unwrap());
        let mut search = Search::default();
        if self.one_in(4) {
            search.context_type = Some(self.pick(&["note", "log", "one", "project"]).to_owned());
        }
        if self.one_in(4) {
            search.tags =
                ["t1", "t2", "t3"].into_iter().filter(|_| self.one_in(3)).map(str::to_owned).collect();
        }
        if self.one_in(6) {
            search.user_id = Some(self.pick(&["ann", "bob", "one"]).to_owned());
        }
        if self.one_in(6) {
            search.context_level = Some(Level::ALL[self.below(4)]);
        }
        search.created_after = self.one_in(6).then(|| ago(self.below(4)));
        search.created_before = self.one_in(6).then(|| ago(self.below(4)));
        search.updated_after = self.one_in(6).then(|| ago(self.below(4)));
        if self.one_in(3) {
            search.words = words_of(&self.text());
        }
        if self.one_in(2) {
            search.filter = Some(if self.one_in(5) {
                self.object(2)
            } else {
                self.part_of_object(&context.content.context_data)
            });
        }
        search
    }
}

pub(crate) async fn random_searches_find_what_filtering_finds(world: &World) {
    let rounds = std::env::var("STORE_SEARCHES").map_or(40, |text| text.parse().unwrap());
    let mut random = Random(20_300_101);
    let (mut searches, mut empty) = (0, 0);
    for _ in 0..rounds {
        let all = world.page(every(None), usize::MAX).await;
        for _ in 0..PER_ROUND {
            let one = &all[random.below(all.len())];
            write(world, &mut random, one).await;
        }
        world.clock.advance(HOUR / 4);
        let all = world.page(every(None), usize::MAX).await;
        for _ in 0..PER_ROUND {
            let search = random.search(&all, world.now());
            let after = random.one_in(2).then(|| all[random.below(all.len())].id.clone());
            let limit = [1, 3, 10, 1_000][random.below(4)];
            let behind = all.iter().filter(|context| after.as_ref().is_none_or(|after| context.id > *after));
            let expected: Vec<_> =
                behind.filter(|context| search.matches(context)).take(limit).cloned().collect();
            let list = ContextList::Matching { search: Box::new(search.clone()), after };
            let found = world.page(list, limit).await;
            assert_eq!(ids(&found), ids(&expected), "{search:?}");
            assert_eq!(found, expected);
            searches += 1;
            empty += usize::from(found.is_empty());
        }
    }
    assert!(empty * 10 > searches && empty * 10 < searches * 9, "the searches find too much or too little");
}

/// Creates a context, or replaces or removes `one`, which another write of the round may have changed: a
/// conflict must leave no trace.
async fn write(world: &World, random: &mut Random, one: &Context) {
    let content = random.content(world.now());
    let place = one.place.as_ref();
    let commit = match random.below(5) {
        0 | 1 => world.free_creation(content),
        2 => {
            let keys: Vec<_> = (0..=random.below(3)).map(|_| random.pick(&["p", "q", "r"])).collect();
            world.creation(&keys, content)
        }
        3 if place.is_none_or(|place| place.level != Level::Global) => world.deletion(one, Subtree::Remove),
        _ => {
            let may_expire = place.is_none_or(|place| place.level != Level::Global);
            let expires_at = content.expires_at.filter(|_| may_expire);
            world.replacement(one, Content { expires_at, ..content })
        }
    };
    let outcome = world.run(commit).await;
    assert!(matches!(outcome, Outcome::Done(_) | Outcome::Conflict { .. }), "{outcome:?}");
}
