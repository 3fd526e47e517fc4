//! The statement of a search: one for each set of conditions, whatever values they are compared with.
//!
//! A planner that does not know how many rows match cannot choose between an index on a condition and a walk
//! in the order of the page, and the wrong choice costs a thousand times the right one. So the statement
//! tries the index up to a bound, and where that is not enough, walks up to a bound; the caller raises both
//! bounds until the page is full or nothing is left. It is written so that the planner has one choice for
//! each part:
//!
//! - The probe is a materialized table expression, which is planned for all of its rows and read only as far
//!   as needed. Only conditions of one rank can use an index in it; all others are inside `IS TRUE`, which no
//!   index serves. It tests each row's ancestors, so that the planner takes a row for expensive, which it is:
//!   documents are stored out of line.
//! - The walk has its bound from a subquery: the planner cannot see it, and assumes few rows.

use std::sync::LazyLock;

use super::fragments::{CONTEXTS, Statement, context_columns, is_live, is_ours};

/// A condition that a search may require a context to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SearchCondition {
    /// Its document contains this `jsonb`, which has a scalar somewhere.
    Filter,
    /// Its document contains this `jsonb`, which has no scalar: the index knows documents by their scalars.
    Shape,
    /// It has all words of this `text[]`.
    Words,
    /// It has all tags of this `text[]`.
    Tags,
    /// Its owner is this `text`.
    User,
    /// Its type is this `text`.
    Type,
    /// Its level is this `text`.
    Level,
    /// It was created at this `timestamptz` or later.
    CreatedAfter,
    /// It was created before this `timestamptz`.
    CreatedBefore,
    /// It was last written at this `timestamptz` or later.
    UpdatedAfter,
}

impl SearchCondition {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 10] = [
        Self::Filter,
        Self::Shape,
        Self::Words,
        Self::Tags,
        Self::User,
        Self::Type,
        Self::Level,
        Self::CreatedAfter,
        Self::CreatedBefore,
        Self::UpdatedAfter,
    ];

    /// Returns the condition on the row `c`, compared with the parameter of this number.
    fn to_sql(self, parameter: usize) -> String {
        let comparison = match self {
            Self::Shape => return without_index(&format!("c.context_data @> ${parameter}")),
            Self::Filter => "c.context_data @>",
            Self::Words => "c.terms @>",
            Self::Tags => "c.tags @>",
            Self::User => "c.user_id =",
            Self::Type => "c.context_type =",
            Self::Level => "c.context_level =",
            Self::CreatedAfter => "c.created_at >=",
            Self::CreatedBefore => "c.created_at <",
            Self::UpdatedAfter => "c.updated_at >=",
        };
        format!("{comparison} ${parameter}")
    }

    /// Returns the rank of the condition: 0 is the most selective in an index. Conditions of the same rank
    /// are used together.
    fn rank(self) -> u8 {
        match self {
            Self::Filter | Self::Words | Self::Tags => 0,
            Self::User => 1,
            Self::Type => 2,
            Self::CreatedAfter | Self::CreatedBefore => 3,
            Self::Level | Self::Shape | Self::UpdatedAfter => 4,
        }
    }
}

/// The number of the first parameter that a condition is compared with.
const FIRST_CONDITION: usize = 7;

/// Returns the statement that reads the first `$4` live contexts with an id after `$3` that meet all
/// `conditions`, by id; contexts whose words are not stored yet, so that this is not known, are included.
///
/// Each row has two values after its columns: whether its words are not stored, and whether the statement
/// found all that match. If no context is found, one row with only the latter is returned.
///
/// All are found if an index gives at most `$5` candidates. If it gives more, `$6` contexts are walked
/// through. The conditions are compared with `$7` and so on, in their order.
pub(crate) fn search_statement(conditions: &[SearchCondition]) -> String {
    let numbered: Vec<_> = conditions.iter().copied().zip(FIRST_CONDITION..).collect();
    let best = conditions.iter().map(|condition| condition.rank()).min();
    let mut probe = probe_arm(numbered.iter().map(|(condition, parameter)| {
        let sql = condition.to_sql(*parameter);
        if Some(condition.rank()) == best { sql } else { without_index(&sql) }
    }));
    if conditions.contains(&SearchCondition::Words) {
        let others = numbered.iter().filter(|(condition, _)| *condition != SearchCondition::Words);
        let others = others.map(|(condition, parameter)| without_index(&condition.to_sql(*parameter)));
        probe.push_str(" UNION ALL ");
        probe.push_str(&probe_arm(std::iter::once("c.terms IS NULL".to_owned()).chain(others)));
    }
    let tests: Vec<_> = numbered
        .iter()
        .map(|(condition, parameter)| match condition {
            SearchCondition::Words => format!("({} OR c.terms IS NULL)", condition.to_sql(*parameter)),
            _ => condition.to_sql(*parameter),
        })
        .collect();
    TEMPLATE.replace("{probe}", &probe).replace("{tests}", &tests.join(" AND "))
}

/// Returns the SQL that selects the ids of the live contexts that meet these conditions.
fn probe_arm(conditions: impl Iterator<Item = String>) -> String {
    let conditions: Vec<_> = conditions.collect();
    format!("{} AND {}", *PROBE, conditions.join(" AND "))
}

/// Returns the condition in a form that no index is used for.
fn without_index(condition: &str) -> String {
    format!("({condition}) IS TRUE")
}

static PROBE: Statement = LazyLock::new(|| {
    let (our, live) = (is_ours("c"), is_live());
    format!("SELECT c.id FROM {CONTEXTS} AS c WHERE {our} AND (c.id > $3) IS TRUE AND {live}")
});

static TEMPLATE: Statement = LazyLock::new(|| {
    let (columns, our, live) = (context_columns(), is_ours("c"), is_live());
    format!(
        "WITH probe AS MATERIALIZED ({{probe}}), \
         candidates AS MATERIALIZED (SELECT id FROM probe LIMIT $5 + 1), \
         bounds AS MATERIALIZED (\
         SELECT count(*) <= $5 AS is_all, CASE WHEN count(*) <= $5 THEN 0 ELSE $6 END AS reach \
         FROM candidates), \
         page AS (\
         (SELECT c.* FROM (\
         SELECT id FROM candidates WHERE (SELECT is_all FROM bounds) ORDER BY id LIMIT $4) AS k \
         CROSS JOIN LATERAL (SELECT {columns}, c.terms IS NULL AS lacks_words FROM {CONTEXTS} AS c \
         WHERE {our} AND c.id = k.id LIMIT 1) AS c) \
         UNION ALL \
         (SELECT {columns}, c.terms IS NULL FROM (SELECT c.* FROM {CONTEXTS} AS c \
         WHERE {our} AND c.id > $3 AND {live} ORDER BY c.id LIMIT (SELECT reach FROM bounds)) AS c \
         WHERE {{tests}} ORDER BY c.id LIMIT $4)) \
         SELECT page.*, bounds.is_all FROM bounds LEFT JOIN page ON true ORDER BY page.id"
    )
});
