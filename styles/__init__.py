"""The style packs that come with nstfilter: one folder a pack, each with its `pack.toml` and its pictures."""
