"""Creates a schema with the service's tables for each tenant named on standard input, with SQLAlchemy's create_all.

Prints how many seconds that took. It uses one connection, one commit per tenant, and create_all's default of looking
for existing tables first.
"""

import sys
import time

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateSchema
from sqlalchemy.types import UserDefinedType


class XID8(UserDefinedType):
    """The type of transaction ids, which SQLAlchemy does not have."""

    cache_ok = True

    def get_col_spec(self, **_):
        return "XID8"


metadata = sa.MetaData()
now = sa.text("now()")
contexts = sa.Table(
    "contexts", metadata,
    sa.Column("id", sa.String(50, collation="C"), primary_key=True),
    sa.Column("context_data", JSONB, nullable=False),
    sa.Column("context_type", sa.String(100), nullable=False),
    sa.Column("title", sa.String(255)),
    sa.Column("description", sa.Text),
    sa.Column("tags", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("tenant_id", sa.String(100), nullable=False),
    sa.Column("user_id", sa.String(100)),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("context_level", sa.String(50)),
    sa.Column("parent_id", sa.String(50, collation="C"), sa.ForeignKey("contexts.id", ondelete="CASCADE")),
    sa.Column("node_key", sa.String(255, collation="C")),
    sa.Column("inheritance", JSONB),
    sa.Column("terms", sa.ARRAY(sa.Text)),
    sa.CheckConstraint("version >= 0", name="contexts_version_check"),
    sa.CheckConstraint(
        "id ~ '^ctx_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'", name="contexts_id_check"
    ),
    sa.CheckConstraint("jsonb_typeof(context_data) = 'object'", name="contexts_context_data_check"),
    sa.CheckConstraint(
        "CASE WHEN context_level IS NULL THEN parent_id IS NULL AND node_key IS NULL"
        " WHEN context_level = 'global' THEN parent_id IS NULL AND node_key IS NULL AND expires_at IS NULL"
        " WHEN context_level IN ('project', 'branch', 'task') THEN parent_id IS NOT NULL AND node_key IS NOT NULL"
        " ELSE false END",
        name="contexts_place_check",
    ),
)
for column in ("tenant_id", "user_id", "context_type", "created_at"):
    sa.Index(f"idx_contexts_{column}", contexts.c[column])
sa.Index("idx_contexts_expires_at", contexts.c.expires_at, postgresql_where=sa.text("expires_at IS NOT NULL"))
sa.Index("idx_contexts_tags", contexts.c.tags, postgresql_using="gin")
sa.Index(
    "idx_contexts_data", contexts.c.context_data, postgresql_using="gin",
    postgresql_ops={"context_data": "jsonb_path_ops"},
)
sa.Index("idx_contexts_global", contexts.c.tenant_id, unique=True, postgresql_where=sa.text("context_level = 'global'"))
sa.Index("idx_contexts_parent_key", contexts.c.parent_id, contexts.c.node_key, unique=True)
sa.Index("idx_contexts_terms", contexts.c.terms, postgresql_using="gin")
sa.Index("idx_contexts_without_terms", contexts.c.id, postgresql_where=sa.text("terms IS NULL"))
cache = sa.Table(
    "context_inheritance_cache", metadata,
    sa.Column("id", sa.String(50), primary_key=True),
    sa.Column("context_id", sa.String(50), nullable=False),
    sa.Column("context_type", sa.String(50)),
    sa.Column("resolved_data", JSONB),
    sa.Column("parent_chain", JSONB),
    sa.Column("user_id", sa.String(100)),
    sa.Column("created_at", sa.DateTime(timezone=True), server_default=now),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("context_level", sa.String(50)),
    sa.Column("resolved_context", JSONB),
    sa.Column("dependencies_hash", sa.String, server_default="migration_default"),
    sa.Column("resolution_path", sa.String, server_default="direct"),
    sa.Column("hit_count", sa.Integer, server_default="0"),
    sa.Column("last_hit", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP")),
    sa.Column("cache_size_bytes", sa.Integer, server_default="0"),
    sa.Column("invalidated", sa.Boolean, server_default=sa.false()),
    sa.Column("invalidation_reason", sa.String),
    sa.CheckConstraint("context_level IN ('task', 'branch', 'project', 'global')", name="chk_cache_context_level"),
)
for name, column in {"level": "context_level", "expires": "expires_at", "invalidated": "invalidated",
                     "hit_count": "hit_count", "last_hit": "last_hit"}.items():
    sa.Index(f"idx_cache_{name}", cache.c[column])
changes = sa.Table(
    "context_changes", metadata,
    sa.Column("tenant_id", sa.String(100), nullable=False),
    sa.Column("transaction_id", XID8, primary_key=True),
    sa.Column("context_id", sa.String(50, collation="C"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("operation", sa.String(10), nullable=False),
    sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("idempotency_principal", sa.Text),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("idempotency_request", sa.Text),
    sa.Column("content", JSONB),
    sa.CheckConstraint(
        "operation IN ('create', 'update', 'delete', 'expire', 'none')", name="context_changes_operation_check"
    ),
)
sa.Index("idx_context_changes_context", changes.c.context_id, changes.c.transaction_id)
sa.Index(
    "idx_context_changes_idempotency", changes.c.idempotency_principal, changes.c.idempotency_key, unique=True,
    postgresql_where=sa.text("idempotency_key IS NOT NULL"),
)



@sa.event.listens_for(contexts, "after_create")
@sa.event.listens_for(changes, "after_create")
def keep_other_tenants_out(table, connection, **_):
    """Add the check of the tenant's id, which a definition for all tenants cannot contain."""
    schema = connection.get_execution_options()["schema_translate_map"][None]
    connection.execute(sa.DDL(
        f'ALTER TABLE "{schema}".{table.name} ADD CONSTRAINT {table.name}_tenant_id_check '
        f"CHECK (tenant_id = '{schema.removeprefix('tenant_')}')"
    ))


@sa.event.listens_for(contexts, "after_create")
def raise_versions(_, connection, **__):
    schema = connection.get_execution_options()["schema_translate_map"][None]
    connection.execute(sa.DDL(
        f'CREATE TRIGGER update_contexts_updated_at BEFORE UPDATE ON "{schema}".contexts '
        "FOR EACH ROW WHEN (NEW.version <= OLD.version) EXECUTE FUNCTION public.update_updated_at_column()"
    ))


def main():
    tenants = sys.stdin.read().split()
    began = time.monotonic()
    engine = sa.create_engine(sys.argv[1].replace("postgres://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        for tenant in tenants:
            schema = f"tenant_{tenant}"
            mapped = connection.execution_options(schema_translate_map={None: schema})
            mapped.execute(CreateSchema(schema))
            metadata.create_all(mapped)
            mapped.commit()
    print(time.monotonic() - began)


main()
