"""`splitter bench` against truth: servers that do what is known and count by hand what they were asked, beside what the report says."""
