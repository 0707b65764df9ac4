-- The regimes that an enterprise declares to be under beside those of the place (proto/parts.def: profile): "eu-nis2", "eu-dora".
ALTER TABLE enterprise ADD COLUMN IF NOT EXISTS regimes text[] NOT NULL DEFAULT '{}';
