"""What outcomes mean: measures with intervals, the table of metrics, and the appetite that judges them."""
