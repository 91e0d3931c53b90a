"""The process that is an agent while it is awake: claims its inbox, takes turns, retires."""
