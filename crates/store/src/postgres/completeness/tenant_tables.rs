//! What the schema of every tenant holds: generated from `crates/fleet/schema/tenant.sql`.
//!
//! `UPDATE_SNAPSHOT=1 cargo test -p context-fleet expected` writes this file.

use super::expected::ExpectedTable;

/// The tables of a tenant's schema, in the order in which they are made.
#[rustfmt::skip]
pub const TABLES: [ExpectedTable; 3] = [
    ExpectedTable {
        name: "contexts",
        columns: &[
            ("id", "character varying(50)"),
            ("context_data", "jsonb"),
            ("context_type", "character varying(100)"),
            ("title", "character varying(255)"),
            ("description", "text"),
            ("tags", "text[]"),
            ("tenant_id", "character varying(100)"),
            ("user_id", "character varying(100)"),
            ("created_at", "timestamp with time zone"),
            ("updated_at", "timestamp with time zone"),
            ("expires_at", "timestamp with time zone"),
            ("version", "integer"),
            ("context_level", "character varying(50)"),
            ("parent_id", "character varying(50)"),
            ("node_key", "character varying(255)"),
            ("inheritance", "jsonb"),
            ("terms", "text[]"),
        ],
        indexes: &[
            "idx_contexts_context_type",
            "idx_contexts_created_at",
            "idx_contexts_data",
            "idx_contexts_expires_at",
            "idx_contexts_global",
            "idx_contexts_parent_key",
            "idx_contexts_tags",
            "idx_contexts_tenant_id",
            "idx_contexts_terms",
            "idx_contexts_user_id",
            "idx_contexts_without_terms",
        ],
        constraints: &[
            "contexts_context_data_check",
            "contexts_id_check",
            "contexts_parent_id_fkey",
            "contexts_pkey",
            "contexts_place_check",
            "contexts_tenant_id_check",
            "contexts_version_check",
        ],
        triggers: &[
            "update_contexts_updated_at",
        ],
    },
    ExpectedTable {
        name: "context_inheritance_cache",
        columns: &[
            ("id", "character varying(50)"),
            ("context_id", "character varying(50)"),
            ("context_type", "character varying(50)"),
            ("resolved_data", "jsonb"),
            ("parent_chain", "jsonb"),
            ("user_id", "character varying(100)"),
            ("created_at", "timestamp with time zone"),
            ("expires_at", "timestamp with time zone"),
            ("context_level", "character varying(50)"),
            ("resolved_context", "jsonb"),
            ("dependencies_hash", "character varying"),
            ("resolution_path", "character varying"),
            ("hit_count", "integer"),
            ("last_hit", "timestamp with time zone"),
            ("cache_size_bytes", "integer"),
            ("invalidated", "boolean"),
            ("invalidation_reason", "character varying"),
        ],
        indexes: &[
            "idx_cache_expires",
            "idx_cache_hit_count",
            "idx_cache_invalidated",
            "idx_cache_last_hit",
            "idx_cache_level",
        ],
        constraints: &[
            "chk_cache_context_level",
            "context_inheritance_cache_pkey",
        ],
        triggers: &[],
    },
    ExpectedTable {
        name: "context_changes",
        columns: &[
            ("tenant_id", "character varying(100)"),
            ("transaction_id", "xid8"),
            ("context_id", "character varying(50)"),
            ("version", "integer"),
            ("operation", "character varying(10)"),
            ("changed_at", "timestamp with time zone"),
            ("changed_by", "text"),
            ("request_id", "text"),
            ("idempotency_principal", "text"),
            ("idempotency_key", "text"),
            ("idempotency_request", "text"),
            ("content", "jsonb"),
        ],
        indexes: &[
            "idx_context_changes_context",
            "idx_context_changes_idempotency",
        ],
        constraints: &[
            "context_changes_operation_check",
            "context_changes_pkey",
            "context_changes_tenant_id_check",
        ],
        triggers: &[],
    },
];
