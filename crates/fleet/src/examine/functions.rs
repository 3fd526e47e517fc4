//! Whether a database has the functions in `public` as this version makes them.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::finding::{Finding, FindingKind};
use crate::functions::{FUNCTIONS, SqlFunction};
use crate::rows::query_rows;

/// Returns what is wrong with the functions of a database.
pub(super) async fn examine_functions(client: &Client) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let sql = "
        SELECT wanted.place,
               found.oid IS NULL,
               (pg_get_function_identity_arguments(found.oid), pg_get_function_result(found.oid))
               IS NOT DISTINCT FROM (wanted.arguments, wanted.result)
        FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY
            AS wanted (signature, arguments, result, body, settings, place)
        LEFT JOIN pg_proc AS found ON found.oid = to_regprocedure(wanted.signature)
        WHERE found.oid IS NULL
           OR (found.prosrc, pg_get_function_identity_arguments(found.oid), pg_get_function_result(found.oid),
               array_to_string(found.proconfig, E'\n'), found.prosecdef)
              IS DISTINCT FROM (wanted.body, wanted.arguments, wanted.result, wanted.settings, false)
        ORDER BY wanted.place";
    let column = |text: fn(&SqlFunction) -> String| FUNCTIONS.iter().map(text).collect::<Vec<String>>();
    let wanted = [
        column(SqlFunction::signature),
        column(|function| function.arguments.to_owned()),
        column(|function| function.result.to_owned()),
        column(SqlFunction::body),
        column(SqlFunction::settings),
    ];
    let parameters = wanted.each_ref().map(|column| (column as _, Type::TEXT_ARRAY));
    let convert = |row: &Row| {
        let place: i64 = row.try_get(0)?;
        let kind = if row.try_get(1)? {
            FindingKind::Missing
        } else if row.try_get(2)? {
            FindingKind::Different
        } else {
            FindingKind::NameTaken
        };
        Ok((place, kind))
    };
    let found = query_rows(client, sql, &parameters, convert).await?;
    // Ordinality counts from 1.
    let function = |place: i64| usize::try_from(place - 1).ok().and_then(|place| FUNCTIONS.get(place));
    Ok(found
        .into_iter()
        .filter_map(|(place, kind)| Some(Finding::of_control(function(place)?.object(), kind)))
        .collect())
}
