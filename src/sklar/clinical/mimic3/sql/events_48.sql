-- The events of the first 48 hours.
FROM events_long WHERE time < 48 + eps();
