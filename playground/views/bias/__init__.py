"""What the Bias tab shows: charts, tables and a report, from results of the lab."""
