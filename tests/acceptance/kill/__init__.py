"""What it takes to kill a server over and over and to show that nothing was lost or done twice."""
