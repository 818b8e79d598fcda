"""What every mock platform is made of: it registers, receives and judges, or misbehaves."""
