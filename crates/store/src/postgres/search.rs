//! Search: reads the contexts that match, in the order of their ids.

use context_domain::clock::Timestamp;
use context_domain::context::Context;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::ContextQuery;
use context_domain::search::{Search, leaves};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql, Type};

use super::Store;
use super::columns::ContextColumn;
use super::failure::Failure;
use super::rows::{self, Moment};
use super::statement::{Param, StatementKind};
use super::statements::{self, SearchCondition};

/// How much one statement of a search reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How many candidates an index may find.
    pub(super) candidates: i64,
    /// How many contexts are walked through if it finds more.
    pub(super) walk: i64,
}

impl Bounds {
    /// Enough for a condition that few contexts meet, and for one that one in forty meets.
    pub(super) const FIRST: Self = Self { candidates: 100, walk: 400 };
    /// The factor from one statement to the next: few statements are needed, and all of them together cost
    /// little more than the last one.
    const FACTOR: i64 = 8;

    fn raised(self) -> Self {
        let raised = |bound: i64| bound.saturating_mul(Self::FACTOR).min(i64::MAX / 2);
        Self { candidates: raised(self.candidates), walk: raised(self.walk) }
    }
}

/// A condition, and the value that it is compared with.
type ComparedCondition = (SearchCondition, Box<dyn ToSql + Sync + Send>, Type);

/// The rows of one statement of a search.
struct SearchBatch {
    contexts: Vec<(Context, WordState)>,
    /// Whether the statement found all contexts that match.
    is_all: bool,
}

/// Whether the database could compare a context's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WordState {
    Compared,
    NotStored,
}

impl Store {
    /// Reads the first `query.limit` live contexts with an id after `after` that match, by id.
    pub(super) async fn search_page(
        &self,
        tenant: &TenantId,
        query: &ContextQuery,
        (search, after): (&Search, Option<&ContextId>),
    ) -> Result<Vec<Context>, Failure> {
        // Every id comes after the empty text.
        let mut after = after.map_or_else(String::new, ContextId::to_string);
        let at = query.live_at;
        if is_impossible(search) {
            return Ok(Vec::new());
        }
        let conditions = conditions_of(search);
        if conditions.is_empty() {
            return self.every(tenant, at, (&after, query.limit)).await;
        }
        let names: Vec<_> = conditions.iter().map(|(condition, ..)| *condition).collect();
        let sql = statements::of_tenant(&statements::search_statement(&names), tenant);
        let (mut bounds, mut page) = (Bounds::FIRST, Vec::new());
        loop {
            let wanted = query.limit.saturating_sub(page.len());
            let found = self.search_batch(tenant, &sql, (at, &after, wanted), (bounds, &conditions)).await?;
            let count = found.contexts.len();
            if let Some((last, _)) = found.contexts.last() {
                after = last.id.to_string();
            }
            let matching = found.contexts.into_iter().filter(|(context, words)| match words {
                WordState::Compared => true,
                WordState::NotStored => search.matches(context),
            });
            page.extend(matching.map(|(context, _)| context));
            if page.len() >= query.limit || (found.is_all && count < wanted) {
                return Ok(page);
            }
            if count < wanted {
                bounds = bounds.raised();
            }
        }
    }

    /// Reads a page of all live contexts.
    async fn every(
        &self,
        tenant: &TenantId,
        at: Timestamp,
        (after, limit): (&str, usize),
    ) -> Result<Vec<Context>, Failure> {
        let (at, limit) = (Moment(at), rows::limit(limit));
        let params: [Param<'_>; 4] = [
            (&tenant.as_str(), Type::TEXT),
            (&at, Type::TIMESTAMPTZ),
            (&after, Type::TEXT),
            (&limit, Type::INT8),
        ];
        let rows = self.query_tenant(tenant, &statements::EVERY, &params).await?;
        rows.iter().map(|row| rows::context(row, tenant)).collect()
    }

    /// Runs one statement of a search.
    async fn search_batch(
        &self,
        tenant: &TenantId,
        sql: &str,
        (at, after, limit): (Timestamp, &str, usize),
        (bounds, conditions): (Bounds, &[ComparedCondition]),
    ) -> Result<SearchBatch, Failure> {
        let (at, limit, name) = (Moment(at), rows::limit(limit), tenant.as_str());
        let mut params: Vec<Param<'_>> = vec![
            (&name, Type::TEXT),
            (&at, Type::TIMESTAMPTZ),
            (&after, Type::TEXT),
            (&limit, Type::INT8),
            (&bounds.candidates, Type::INT8),
            (&bounds.walk, Type::INT8),
        ];
        params.extend(conditions.iter().map(|(_, value, ty)| (value.as_ref() as _, ty.clone())));
        let rows = self.pool.query(Some(tenant), StatementKind::Scan, sql, &params).await?;
        let first = rows.first().ok_or_else(|| Failure::Misuse("a search returned no row".to_owned()))?;
        let is_all = flag(first, IS_ALL)?;
        let contexts = rows.iter().filter_map(|row| searched_context(row, tenant).transpose());
        Ok(SearchBatch { contexts: contexts.collect::<Result<_, _>>()?, is_all })
    }
}

/// The column in a row of a search that says whether the context's words are not stored yet.
const LACKS_WORDS: usize = rows::CONTEXT_COLUMNS;
/// The column that says whether the statement found all contexts that match.
const IS_ALL: usize = LACKS_WORDS + 1;

/// Reads the context in a row of a search; `None` if the row holds none.
fn searched_context(row: &Row, tenant: &TenantId) -> Result<Option<(Context, WordState)>, Failure> {
    let id: Option<&str> = rows::field(row, ContextColumn::Id, || "a context".to_owned())?;
    if id.is_none() {
        return Ok(None);
    }
    let words = if flag(row, LACKS_WORDS)? { WordState::NotStored } else { WordState::Compared };
    Ok(Some((rows::context(row, tenant)?, words)))
}

fn flag(row: &Row, index: usize) -> Result<bool, Failure> {
    rows::column(row, index, "flag", || "a search".to_owned())
}

/// Whether the search asks for a text with a NUL, which no text in the database can hold.
fn is_impossible(search: &Search) -> bool {
    let has_nul = |text: &String| text.contains('\0');
    search.context_type.as_ref().is_some_and(has_nul)
        || search.user_id.as_ref().is_some_and(has_nul)
        || search.tags.iter().any(has_nul)
        || search.words.iter().any(has_nul)
        || search.filter.iter().flatten().any(|(name, value)| has_nul(name) || holds_nul(value))
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(elements) => elements.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn conditions_of(search: &Search) -> Vec<ComparedCondition> {
    let mut conditions: Vec<ComparedCondition> = Vec::new();
    if let Some(filter) = search.filter.as_ref().filter(|filter| !filter.is_empty()) {
        let condition =
            if leaves(filter).is_empty() { SearchCondition::Shape } else { SearchCondition::Filter };
        conditions.push((condition, Box::new(Json(filter.clone())), Type::JSONB));
    }
    if !search.words.is_empty() {
        let words: Vec<_> = search.words.iter().cloned().collect();
        conditions.push((SearchCondition::Words, Box::new(words), Type::TEXT_ARRAY));
    }
    if !search.tags.is_empty() {
        conditions.push((SearchCondition::Tags, Box::new(search.tags.clone()), Type::TEXT_ARRAY));
    }
    let level = search.context_level.map(|level| level.as_str().to_owned());
    let texts = [
        (SearchCondition::User, search.user_id.clone()),
        (SearchCondition::Type, search.context_type.clone()),
        (SearchCondition::Level, level),
    ];
    let moments = [
        (SearchCondition::CreatedAfter, search.created_after),
        (SearchCondition::CreatedBefore, search.created_before),
        (SearchCondition::UpdatedAfter, search.updated_after),
    ];
    for (condition, text) in texts {
        conditions.extend(text.map(|text| -> ComparedCondition { (condition, Box::new(text), Type::TEXT) }));
    }
    for (condition, at) in moments {
        conditions.extend(
            at.map(|at| -> ComparedCondition { (condition, Box::new(Moment(at)), Type::TIMESTAMPTZ) }),
        );
    }
    conditions
}
