//! The statement of a search: for each set of conditions one, whatever they are compared with.
//!
//! A planner that does not know how many rows match cannot choose between an index on what is asked and a walk in the order
//! of the page, and the wrong choice costs a thousand times the right one. So the statement tries the first way up to a
//! bound, and where that is not enough, goes the second way up to a bound: whoever sends it raises both until the page is
//! full or nothing is left. It is written so that each part has one way only:
//!
//! - The probe is a materialized table expression, which is planned for all of its rows and read only as far as is asked.
//!   Only conditions of one kind can use an index in it; all others stand inside of `IS TRUE`, which no index knows.
//!   It tests each row's ancestors, so that the planner takes a row for expensive, which it is: a document lies out of line.
//! - The walk has its bound from a subquery: the planner cannot see it, and assumes few rows.

use super::{context_columns, is_live, ours, unexpired};

/// What may be asked of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::postgres) enum Condition {
    /// Its document contains this `jsonb`, which has a scalar somewhere.
    Filter,
    /// The same for one that has none: the index knows documents by their scalars.
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

impl Condition {
    #[cfg(test)]
    pub(in crate::postgres) const ALL: [Self; 10] = [
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

    /// The condition on the row `c`; `parameter` is what it is compared with.
    fn text(self, parameter: usize) -> String {
        let comparison = match self {
            Self::Shape => return fenced(&format!("c.context_data @> ${parameter}")),
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

    /// How good an index on it is; conditions of the same rank are used together.
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

/// The first parameter that a condition is compared with.
pub(in crate::postgres) const FIRST_CONDITION: usize = 7;

/// The live contexts behind the id `$3` of which all `conditions` hold, `$4` at the most, by id; or of which that is not
/// known, because their words have not been cut. Each has two more columns: whether its words have not been cut, and whether
/// nothing was left out that comes behind; where there is none, one row says the latter alone.
///
/// Nothing is left out where no more than `$5` candidates are found by an index. Where there are more, `$6` contexts are
/// walked through. The conditions are compared with `$7` and so on, in their order.
pub(in crate::postgres) fn search(conditions: &[Condition]) -> String {
    let numbered: Vec<_> = conditions.iter().copied().zip(FIRST_CONDITION..).collect();
    let best = conditions.iter().map(|condition| condition.rank()).min();
    let mut probe = arm(numbered.iter().map(|(condition, parameter)| {
        let text = condition.text(*parameter);
        if Some(condition.rank()) == best { text } else { fenced(&text) }
    }));
    if conditions.contains(&Condition::Words) {
        let others = numbered.iter().filter(|(condition, _)| *condition != Condition::Words);
        let others = others.map(|(condition, parameter)| fenced(&condition.text(*parameter)));
        probe.push_str(" UNION ALL ");
        probe.push_str(&arm(std::iter::once("c.terms IS NULL".to_owned()).chain(others)));
    }
    let tests: Vec<_> = numbered
        .iter()
        .map(|(condition, parameter)| match condition {
            Condition::Words => format!("({} OR c.terms IS NULL)", condition.text(*parameter)),
            _ => condition.text(*parameter),
        })
        .collect();
    TEMPLATE.replace("{probe}", &probe).replace("{tests}", &tests.join(" AND "))
}

/// The ids of live contexts of which these conditions hold.
fn arm(conditions: impl Iterator<Item = String>) -> String {
    let conditions: Vec<_> = conditions.collect();
    format!("{PROBE} AND {}", conditions.join(" AND "))
}

/// A condition that no index is used for.
fn fenced(condition: &str) -> String {
    format!("({condition}) IS TRUE")
}

const PROBE: &str = concat!(
    "SELECT c.id FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND (c.id > $3) IS TRUE AND ",
    is_live!()
);

const TEMPLATE: &str = concat!(
    "WITH probe AS MATERIALIZED ({probe}), \
     candidates AS MATERIALIZED (SELECT id FROM probe LIMIT $5 + 1), \
     bounds AS MATERIALIZED (\
         SELECT count(*) <= $5 AS is_all, CASE WHEN count(*) <= $5 THEN 0 ELSE $6 END AS reach FROM candidates), \
     page AS (\
         (SELECT c.* FROM (SELECT id FROM candidates WHERE (SELECT is_all FROM bounds) ORDER BY id LIMIT $4) AS k \
              CROSS JOIN LATERAL (SELECT ",
    context_columns!(),
    ", c.terms IS NULL AS is_uncut FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id = k.id LIMIT 1) AS c) \
         UNION ALL \
         (SELECT ",
    context_columns!(),
    ", c.terms IS NULL FROM (SELECT c.* FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id > $3 AND ",
    is_live!(),
    " ORDER BY c.id LIMIT (SELECT reach FROM bounds)) AS c WHERE {tests} ORDER BY c.id LIMIT $4)) \
     SELECT page.*, bounds.is_all FROM bounds LEFT JOIN page ON true ORDER BY page.id"
);
