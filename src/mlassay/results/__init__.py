"""Everything measured, ours and published, in one database that answers with tables, pictures and fair comparison."""
