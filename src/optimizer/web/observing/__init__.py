"""What a serving process notes about itself: ids, counters, traces, and the text a scrape gets."""
