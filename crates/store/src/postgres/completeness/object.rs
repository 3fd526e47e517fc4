//! The objects of an installation that findings and messages name.

use std::fmt;

/// An object of an installation: what can be missing, damaged or not granted.
///
/// Its parts are unquoted names, as in the catalog: code that builds SQL quotes each with
/// [`identifier`](crate::postgres::identifier). `Display` is for people only. It leaves out a tenant's
/// schema, because the message that shows the object names the tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseObject {
    /// Everything that a bootstrap creates.
    Installation,
    /// The tables of the installation in `public`.
    ControlSchema,
    /// A schema.
    Schema {
        /// Its name.
        schema: String,
    },
    /// A table.
    Table {
        /// The schema that it is in.
        schema: String,
        /// Its name.
        table: String,
    },
    /// A column of a table.
    Column {
        /// The table's schema.
        schema: String,
        /// The table.
        table: String,
        /// Its name.
        column: String,
    },
    /// An index on a table.
    Index {
        /// The schema of the table and of the index.
        schema: String,
        /// The table.
        table: String,
        /// Its name.
        index: String,
    },
    /// A constraint on a table.
    Constraint {
        /// The table's schema.
        schema: String,
        /// The table.
        table: String,
        /// Its name.
        constraint: String,
    },
    /// A trigger on a table.
    Trigger {
        /// The table's schema.
        schema: String,
        /// The table.
        table: String,
        /// Its name.
        trigger: String,
    },
    /// A function in `public`.
    Function {
        /// Its name.
        function: String,
        /// The types of its arguments, as SQL writes them.
        argument_types: Vec<String>,
    },
    /// The row of a tenant in `public.tenants`.
    DirectoryRow,
    /// The rows of a tenant in the ledger, `public.migration_history`.
    LedgerRecords,
    /// The global node of a tenant.
    GlobalNode,
    /// A role that is recorded in `public.serving_roles`.
    ServingRole {
        /// Its name.
        role: String,
    },
}

/// The schema that holds the installation's own tables and functions.
pub const PUBLIC: &str = "public";

impl DatabaseObject {
    /// Returns the schema of that name.
    pub fn schema(schema: &str) -> Self {
        Self::Schema { schema: schema.to_owned() }
    }

    /// Returns the table of that name.
    pub fn table(schema: &str, table: &str) -> Self {
        Self::Table { schema: schema.to_owned(), table: table.to_owned() }
    }

    /// Returns the column of that name.
    pub fn column(schema: &str, table: &str, column: &str) -> Self {
        Self::Column { schema: schema.to_owned(), table: table.to_owned(), column: column.to_owned() }
    }

    /// Returns the index of that name.
    pub fn index(schema: &str, table: &str, index: &str) -> Self {
        Self::Index { schema: schema.to_owned(), table: table.to_owned(), index: index.to_owned() }
    }

    /// Returns the constraint of that name.
    pub fn constraint(schema: &str, table: &str, constraint: &str) -> Self {
        Self::Constraint {
            schema: schema.to_owned(),
            table: table.to_owned(),
            constraint: constraint.to_owned(),
        }
    }

    /// Returns the trigger of that name.
    pub fn trigger(schema: &str, table: &str, trigger: &str) -> Self {
        Self::Trigger { schema: schema.to_owned(), table: table.to_owned(), trigger: trigger.to_owned() }
    }
}

impl fmt::Display for DatabaseObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |noun: &str, name: &str, schema: &str, table: &str| {
            format!("the {noun} {name} of {}{table}", shown(schema))
        };
        match self {
            Self::Installation => f.write_str("the installation"),
            Self::ControlSchema => f.write_str("the control schema"),
            Self::Schema { schema } => write!(f, "the schema {schema}"),
            Self::Table { schema, table } => write!(f, "the table {}{table}", shown(schema)),
            Self::Column { schema, table, column } => f.write_str(&part("column", column, schema, table)),
            Self::Index { schema, table, index } => f.write_str(&part("index", index, schema, table)),
            Self::Constraint { schema, table, constraint } => {
                f.write_str(&part("constraint", constraint, schema, table))
            }
            Self::Trigger { schema, table, trigger } => f.write_str(&part("trigger", trigger, schema, table)),
            Self::Function { function, argument_types } => {
                write!(f, "the function {PUBLIC}.{function}({})", argument_types.join(", "))
            }
            Self::DirectoryRow => f.write_str("the row in public.tenants"),
            Self::LedgerRecords => f.write_str("the ledger's record of its migrations"),
            Self::GlobalNode => f.write_str("the global node"),
            Self::ServingRole { role } => write!(f, "the serving role {role}"),
        }
    }
}

/// Returns the prefix of a table's name in messages: `public.`, or nothing in a tenant's schema.
fn shown(schema: &str) -> &'static str {
    if schema == PUBLIC { "public." } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_shown_with_the_names_that_the_catalog_has() {
        let schema = "tenant_default";
        let function = DatabaseObject::Function {
            function: "grant_tenant".to_owned(),
            argument_types: vec!["text".to_owned(), "uuid".to_owned()],
        };
        for (object, shown) in [
            (DatabaseObject::schema(schema), "the schema tenant_default"),
            (DatabaseObject::table(schema, "contexts"), "the table contexts"),
            (DatabaseObject::table(PUBLIC, "tenants"), "the table public.tenants"),
            (
                DatabaseObject::index(schema, "contexts", "my \"odd\" one"),
                "the index my \"odd\" one of contexts",
            ),
            (DatabaseObject::constraint(PUBLIC, "tenants", "c"), "the constraint c of public.tenants"),
            (DatabaseObject::column(schema, "contexts", "title"), "the column title of contexts"),
            (DatabaseObject::trigger(schema, "contexts", "t"), "the trigger t of contexts"),
            (function, "the function public.grant_tenant(text, uuid)"),
        ] {
            assert_eq!(object.to_string(), shown);
        }
    }
}
